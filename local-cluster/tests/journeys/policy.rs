//! Who may call what: every RPC of the contract has a row here, one more where it is about a course that not everybody
//! sees, and every row is checked over gRPC, and over REST where the RPC has a route.

mod caller;
mod no_layer;
mod row;
mod surface;

use std::collections::BTreeSet;

use prost_reflect::MethodDescriptor;
use proto::access::Audience;

use self::{
    caller::Callers,
    row::ROWS,
    surface::{Outcome, over_grpc, over_rest},
};
use crate::support::{World, dynamic::methods};

#[test]
fn every_rpc_has_its_rows_and_every_row_an_rpc() {
    let methods = methods();
    let rpcs: BTreeSet<_> = methods.iter().map(MethodDescriptor::full_name).collect();
    let rows: BTreeSet<_> = ROWS.iter().map(|row| format!("onlineedu.{}", row.rpc)).collect();
    assert_eq!(rpcs, rows.iter().map(String::as_str).collect());
    let said: BTreeSet<_> = ROWS.iter().map(|row| (row.rpc, row.fields)).collect();
    assert_eq!(said.len(), ROWS.len(), "a row stands twice");
}

#[test]
fn what_is_for_services_has_no_route() {
    for row in ROWS {
        let is_for_services = row.contract().audience == Audience::Service;
        assert!(!is_for_services || row.route().is_none(), "{}", row.rpc);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_rpc_serves_those_it_is_for_and_nobody_else() {
    let world = World::on_sqlite().await;
    let foreign = World::on_sqlite().await.staff().await;
    let mut callers = Callers::prepare(&world, &foreign, 0).await;
    let (mut wrong, mut round) = (Vec::new(), 0);
    for row in ROWS {
        let method = methods().into_iter();
        let method = method
            .filter(|method| method.full_name() == format!("onlineedu.{}", row.rpc))
            .collect::<Vec<_>>();
        let (route, surfaces) = (row.route(), ["gRPC", "REST"]);
        for surface in surfaces {
            if surface == "REST" && route.is_none() {
                continue;
            }
            // Some calls end the session that they are made with.
            for (caller, tokens) in callers.all(&world).await {
                let (expected, outcome) = match route {
                    Some(route) if surface == "REST" => {
                        // What a service shows means nothing from outside.
                        let expected = row.answer(caller.seen_from_outside());
                        (expected, over_rest(&world, &callers, row, route, &tokens).await)
                    }
                    _ => {
                        let outcome = over_grpc(&world, &callers, row, &method[0], &tokens).await;
                        (row.answer(caller), outcome)
                    }
                };
                if outcome != expected {
                    wrong.push(format!(
                        "{surface} {} {:?} as {caller:?}: {outcome:?}, not {expected:?}",
                        row.rpc, row.fields
                    ));
                }
            }
            if row.costs {
                round += 1;
                callers = Callers::prepare(&world, &foreign, round).await;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The reasons that say that the caller is not known, apart from those about credentials in the request, or that what
/// the call is about is not there for them.
fn outcome(is_unauthenticated: bool, is_denied: bool, reason: &str) -> Outcome {
    match reason {
        "TOKEN_REQUIRED" | "TOKEN_INVALID" if is_unauthenticated => Outcome::Unknown,
        "COURSE_NOT_FOUND" => Outcome::Hidden,
        "INSUFFICIENT_USER_AUTHENTICATION" if is_unauthenticated => Outcome::FactorNeeded,
        _ if is_denied => Outcome::Denied,
        _ => Outcome::Served,
    }
}
