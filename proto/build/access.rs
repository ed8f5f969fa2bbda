//! Whom every method is for, as the contract says. A method that does not say it is no method.

use std::error::Error;

use prost_reflect::{DescriptorPool, DynamicMessage, ExtensionDescriptor, MethodDescriptor};

const AUDIENCE: &str = "onlineedu.access.v1.audience";
const SECOND_FACTOR: &str = "onlineedu.access.v1.second_factor_max_age";
const STAFF_REFUSAL: &str = "onlineedu.access.v1.staff_refusal";
const ROUTE: &str = "google.api.http";

/// The numbers of the audiences by which a caller is known, and of staff.
const KNOWN: [i32; 4] = [3, STAFF, 5, 7];
const STAFF: i32 = 4;

/// The source text of `proto::access::POLICIES`.
///
/// # Errors
/// When a method of ours does not say whom it is for, or contradicts itself.
pub fn table(pool: &DescriptorPool) -> Result<String, Box<dyn Error>> {
    let extension = |name: &str| {
        pool.get_extension_by_name(name)
            .ok_or_else(|| format!("the contract does not import {name}"))
    };
    let (audience, second_factor) = (extension(AUDIENCE)?, extension(SECOND_FACTOR)?);
    let staff_refusal = extension(STAFF_REFUSAL)?;
    let route = pool.get_extension_by_name(ROUTE);
    let mut rows = Vec::new();
    for method in pool
        .services()
        .flat_map(|service| service.methods().collect::<Vec<_>>())
    {
        let options = method.options();
        let who = options.get_extension(&audience).as_enum_number().unwrap_or(0);
        let max_age = options.get_extension(&second_factor).as_u32().unwrap_or(0);
        let refusal = options.get_extension(&staff_refusal);
        let refusal = refusal.as_str().unwrap_or_default();
        let name = method.full_name();
        if who == 0 {
            return Err(format!("{name} does not say whom it is for: give it `option ({AUDIENCE})`").into());
        }
        if max_age > 0 && !KNOWN.contains(&who) {
            return Err(format!("{name} asks a second factor of callers who are not known").into());
        }
        if !refusal.is_empty() && who != STAFF {
            return Err(format!("{name} is not for staff, so `{STAFF_REFUSAL}` is never said").into());
        }
        let reads = route.as_ref().is_some_and(|route| reads(&options, route));
        let path = path(&method);
        rows.push(format!(
            "    ({path:?}, {who}, {max_age}, {reads}, {refusal:?}),\n"
        ));
    }
    rows.sort();
    Ok(format!(
        "/// The gRPC path of every method, the number of its audience, how many seconds old a second factor may be \
         (0: none is needed), whether it only reads, and what it tells who is not staff. Sorted.\n\
         const POLICIES: [(&str, i32, u32, bool, &str); {}] = [\n{}];\n",
        rows.len(),
        rows.concat(),
    ))
}

/// Whether the method changes nothing: its route is a GET.
fn reads(options: &DynamicMessage, route: &ExtensionDescriptor) -> bool {
    let rule = options.get_extension(route);
    let get = rule.as_message().and_then(|rule| rule.get_field_by_name("get"));
    get.is_some_and(|get| get.as_str().is_some_and(|path| !path.is_empty()))
}

fn path(method: &MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}
