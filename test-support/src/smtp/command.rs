//! Taking SMTP's command lines apart.

/// The verb of a command line in upper case, and what follows it.
pub(super) fn split(line: &str) -> (String, &str) {
    let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
    (verb.to_ascii_uppercase(), argument.trim())
}

/// The address in `FROM:<address> PARAMETERS` or, with `TO:` as the keyword, its twin. `None`: a syntax
/// error.
pub(super) fn address(argument: &str, keyword: &str) -> Option<String> {
    let (given, path) = argument.split_at_checked(keyword.len())?;
    if !given.eq_ignore_ascii_case(keyword) {
        return None;
    }
    let (address, _parameters) = path.trim_start().strip_prefix('<')?.split_once('>')?;
    Some(address.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_without_case() {
        assert_eq!(split("mail FROM:<a@b>"), ("MAIL".to_owned(), "FROM:<a@b>"));
        assert_eq!(split("QUIT"), ("QUIT".to_owned(), ""));
    }

    #[test]
    fn the_address_stands_in_angle_brackets() {
        assert_eq!(address("from: <a@b> SIZE=10", "FROM:").as_deref(), Some("a@b"));
        assert_eq!(address("FROM:<>", "FROM:").as_deref(), Some(""));
        assert_eq!(address("FROM:a@b", "FROM:"), None);
        assert_eq!(address("TO:<a@b>", "FROM:"), None);
        assert_eq!(address("", "FROM:"), None);
    }
}
