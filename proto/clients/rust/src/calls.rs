//! Every unary call as a method of [`Client`](crate::Client): names in, what the .proto files say out.
//!
//! Invariant: a call is made again by itself only if a second time changes nothing (`again`); the others
//! are made once (`once`), and an error of theirs that
//! [may have happened](crate::Error::may_have_happened) is for the program to look into.
//!
//! Left out: rules. What is wrong with a request, the server says, field by field.

mod accounts;
mod administration;
mod files;
mod messages;
mod pages;
mod rooms;

pub use accounts::{Registration, SignedIn};
pub use messages::{Outgoing, Place};

/// One call: `call!(client, again, Rooms::get_room, request)`.
macro_rules! call {
    ($client:expr, $times:ident, $stub:path, $method:ident, $message:expr) => {{
        use $stub as Stub;
        $client
            .$times($message, |channel, request| async move {
                Stub::new(channel).$method(request).await
            })
            .await
    }};
}
use call;
