//! A page as a browser without JavaScript sees it: its text, its links, and the form it may send.

/// The form of a page.
#[derive(Debug)]
pub struct Form {
    pub method: String,
    pub action: String,
    /// The inputs and their values, in order.
    pub fields: Vec<(String, String)>,
}

impl Form {
    /// The form of a page that has one.
    #[track_caller]
    pub fn of(html: &str) -> Self {
        Self::find(html).unwrap_or_else(|| panic!("no form in {html}"))
    }

    /// The form of a page.
    pub fn find(html: &str) -> Option<Self> {
        let start = html.find("<form")?;
        let length = html[start..].find("</form>")?;
        let form = &html[start..start + length];
        let tag = &form[..form.find('>')?];
        let inputs = form.split('<').filter(|tag| tag.starts_with("input"));
        Some(Self {
            method: attribute(tag, "method")?.to_ascii_uppercase(),
            action: attribute(tag, "action")?,
            fields: inputs
                .filter_map(|tag| {
                    Some((
                        attribute(tag, "name")?,
                        attribute(tag, "value").unwrap_or_default(),
                    ))
                })
                .collect(),
        })
    }

    /// The form with something typed into an input that it has.
    #[track_caller]
    pub fn typed(mut self, name: &str, value: &str) -> Self {
        let field = self.fields.iter_mut().find(|field| field.0 == name);
        value.clone_into(&mut field.unwrap_or_else(|| panic!("no input {name}")).1);
        self
    }
}

/// The value of an attribute in double quotes.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let start = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    let value = &tag[start..start + tag[start..].find('"')?];
    assert!(!value.contains('&'), "this reader knows no entities: {value}");
    Some(value.to_owned())
}
