//! The comments of the `.proto` files, by what they stand at.

use std::collections::HashMap;

use prost_reflect::{
    DescriptorPool, FieldDescriptor, MessageDescriptor, MethodDescriptor, ServiceDescriptor,
};

/// Every comment of the contract.
#[derive(Debug)]
pub struct Comments(HashMap<(String, Vec<i32>), String>);

impl Comments {
    /// The comments of a pool that was made with source information.
    pub fn of(pool: &DescriptorPool) -> Self {
        let mut comments = HashMap::new();
        for file in pool.files() {
            let source = file.file_descriptor_proto().source_code_info.clone();
            for location in source.unwrap_or_default().location {
                if let Some(comment) = location.leading_comments {
                    let place = (file.name().to_owned(), location.path);
                    comments.insert(place, unwrapped(&comment));
                }
            }
        }
        Self(comments)
    }

    /// What a service is about.
    pub fn of_service(&self, service: &ServiceDescriptor) -> &str {
        self.at(service.parent_file().name(), service.path())
    }

    /// What an RPC does.
    pub fn of_method(&self, method: &MethodDescriptor) -> &str {
        self.at(method.parent_service().parent_file().name(), method.path())
    }

    /// What a message is.
    pub fn of_message(&self, message: &MessageDescriptor) -> &str {
        self.at(message.parent_file().name(), message.path())
    }

    /// What a field holds.
    pub fn of_field(&self, field: &FieldDescriptor) -> &str {
        self.at(field.parent_message().parent_file().name(), field.path())
    }

    fn at(&self, file: &str, path: &[i32]) -> &str {
        let found = self.0.get(&(file.to_owned(), path.to_vec()));
        found.map_or("", String::as_str)
    }
}

/// The first sentence of a comment.
pub fn summary(comment: &str) -> &str {
    let end = comment.find(". ").or_else(|| comment.find(".\n"));
    comment[..end.unwrap_or(comment.len())].trim_end_matches('.')
}

/// A comment with its lines joined; an empty line still parts paragraphs.
fn unwrapped(comment: &str) -> String {
    let lines: Vec<_> = comment.trim().lines().map(str::trim).collect();
    let paragraphs = lines.split(|line| line.is_empty());
    paragraphs
        .map(|paragraph| paragraph.join(" "))
        .collect::<Vec<_>>()
        .join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_joined_and_paragraphs_stay() {
        let comment = unwrapped(" Opens a\n session. Anyone may.\n\n Errors: none.\n");
        assert_eq!(comment, "Opens a session. Anyone may.\n\nErrors: none.");
        assert_eq!(summary(&comment), "Opens a session");
    }
}
