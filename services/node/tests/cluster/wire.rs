//! Calls as clients make them.

use cluster_types::{AccountId, Caller};
use proto::v1::accounts_server::Accounts as _;
use proto::v1::{RegisterAccountRequest, SignOutRequest};
use services_node::Node;
use tonic::Request;

/// Somebody with an account, and what the device shows that made it.
pub(crate) async fn register(node: &Node) -> (AccountId, String) {
    let request = RegisterAccountRequest {
        user_name: "ada".to_owned(),
        password: "Correct-Horse-7-Battery".to_owned(),
        ..Default::default()
    };
    let made = node.accounts.register_account(Request::new(request)).await;
    let made = made.expect("registers").into_inner();
    let name = made.account.expect("an account").name;
    let account = cluster_rpc::name::account(&name, "account").expect("a name");
    (account, made.token)
}

/// Ends the sign-in of `caller`.
pub(crate) async fn sign_out(node: &Node, caller: Caller) {
    let mut request = Request::new(SignOutRequest {});
    request.extensions_mut().insert(caller);
    node.accounts.sign_out(request).await.expect("signs out");
}
