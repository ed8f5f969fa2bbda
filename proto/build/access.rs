//! Whom every method is for, as the contract says. A method that does not say it is no method.

use std::error::Error;

use prost_reflect::DescriptorPool;

const AUDIENCE: &str = "onlineedu.access.v1.audience";

/// The source text of `proto::access::AUDIENCES`.
///
/// # Errors
/// When a method of ours does not say whom it is for.
pub fn table(pool: &DescriptorPool) -> Result<String, Box<dyn Error>> {
    let option = pool
        .get_extension_by_name(AUDIENCE)
        .ok_or_else(|| format!("the contract does not import {AUDIENCE}"))?;
    let mut rows = Vec::new();
    for method in pool
        .services()
        .flat_map(|service| service.methods().collect::<Vec<_>>())
    {
        let said = method
            .options()
            .get_extension(&option)
            .as_enum_number()
            .unwrap_or(0);
        if said == 0 {
            let method = method.full_name();
            return Err(
                format!("{method} does not say whom it is for: give it `option ({AUDIENCE})`").into(),
            );
        }
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        rows.push(format!("    ({path:?}, {said}),\n"));
    }
    rows.sort();
    Ok(format!(
        "/// The gRPC path of every method and the number of its audience, sorted.\n\
         const AUDIENCES: [(&str, i32); {}] = [\n{}];\n",
        rows.len(),
        rows.concat(),
    ))
}
