//! Calls as clients make them.

use cluster_types::AccountId;
use proto::v1::RegisterAccountRequest;
use proto::v1::accounts_server::Accounts as _;
use services_node::Node;
use tonic::Request;

/// Somebody with an account.
pub(crate) async fn register(node: &Node) -> AccountId {
    let request = RegisterAccountRequest {
        user_name: "ada".to_owned(),
        password: "Correct-Horse-7-Battery".to_owned(),
        ..Default::default()
    };
    let made = node.accounts.register_account(Request::new(request)).await;
    let account = made.expect("registers").into_inner().account;
    let name = account.expect("an account").name;
    cluster_rpc::name::account(&name, "account").expect("a name")
}
