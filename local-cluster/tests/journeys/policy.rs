//! Who may call what: every RPC of the contract has a row here, and every row is checked over gRPC, and over
//! REST where the RPC has a route.

mod caller;
mod row;
mod surface;

use std::collections::BTreeSet;

use prost_reflect::MethodDescriptor;
use proto::access::Audience;

use self::{
    caller::Callers,
    row::{ROWS, answer},
    surface::{Outcome, over_grpc, over_rest},
};
use crate::support::{World, dynamic::methods};

#[test]
fn every_rpc_has_one_row_and_every_row_an_rpc() {
    let methods = methods();
    let rpcs: BTreeSet<_> = methods.iter().map(MethodDescriptor::full_name).collect();
    let rows: BTreeSet<_> = ROWS.iter().map(|row| row.rpc).collect();
    assert_eq!(rpcs, rows);
    assert_eq!(rows.len(), ROWS.len(), "a row stands twice");
}

#[test]
fn the_contract_says_what_the_table_says() {
    for row in ROWS {
        assert_eq!(row.contract(), Some(row.who), "{}", row.rpc);
    }
}

#[test]
fn what_is_for_services_has_no_route() {
    for row in ROWS.iter().filter(|row| row.who == Audience::Service) {
        assert!(row.route().is_none(), "{}", row.rpc);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_rpc_serves_those_it_is_for_and_nobody_else() {
    let world = World::on_sqlite().await;
    let callers = Callers::prepare(&world).await;
    let mut wrong = Vec::new();
    for method in methods() {
        let row = ROWS.iter().find(|row| row.rpc == method.full_name());
        let row = row.unwrap_or_else(|| panic!("no row for {}", method.full_name()));
        // Some calls end the session they are made with.
        for (caller, tokens) in callers.all(&world).await {
            let expected = answer(row.who, caller);
            let outcome = over_grpc(&world, &callers, row, &method, &tokens).await;
            if outcome != expected {
                wrong.push(format!(
                    "gRPC {} as {caller:?}: {outcome:?}, not {expected:?}",
                    row.rpc
                ));
            }
        }
        let Some(route) = row.route() else { continue };
        for (caller, tokens) in callers.all(&world).await {
            // What a service shows means nothing from outside.
            let expected = answer(row.who, caller.seen_from_outside());
            let outcome = over_rest(&world, &callers, row, route, &tokens).await;
            if outcome != expected {
                wrong.push(format!(
                    "REST {} as {caller:?}: {outcome:?}, not {expected:?}",
                    row.rpc
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The reasons that say that the caller is not known, apart from those about credentials in the request.
fn outcome(is_unauthenticated: bool, is_denied: bool, reason: &str) -> Outcome {
    match reason {
        "TOKEN_REQUIRED" | "TOKEN_INVALID" if is_unauthenticated => Outcome::Unknown,
        _ if is_denied => Outcome::Denied,
        _ => Outcome::Served,
    }
}
