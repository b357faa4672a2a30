//! One attempt to have something done: by a call of its own, as the edge would hand it on.

use cluster_types::{Caller, FileId};
use proto::v1;
use proto::v1::client_frame::Command;
use proto::v1::messages_server::Messages as _;
use proto::v1::rooms_server::Rooms as _;
use tokio::time::timeout;
use tonic::{Request, Response, Status};

use crate::history::{Answer, Ask, Done};
use crate::limits::CALL_DEADLINE;
use crate::names::{Device, Op, Person};
use crate::node::Node;
use crate::reach::Reach;
use crate::sights::{self, Unreadable};
use crate::world::{State, World};

/// Something that a person wants done: what it means, and what goes on the wire for it. Every attempt
/// sends the same bytes.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) op: Op,
    pub(crate) attempts: u32,
    pub(crate) by: Person,
    pub(crate) device: Device,
    pub(crate) ask: Ask,
    pub(crate) wire: Wire,
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) enum Wire {
    Send(v1::SendMessageRequest),
    Edit(v1::EditMessageRequest),
    Delete(v1::DeleteMessageRequest),
    MarkRead(v1::MarkReadRequest),
    Typing(v1::SetTypingRequest),
    Page(v1::ListEventsRequest),
    Readers(v1::ListReadersRequest),
    Create(v1::CreateRoomRequest),
    Direct(v1::OpenDirectRoomRequest),
    View(v1::GetRoomRequest),
    List(v1::ListRoomsRequest),
    Update(v1::UpdateRoomRequest),
    Archive(v1::ArchiveRoomRequest),
    Unarchive(v1::UnarchiveRoomRequest),
    DeleteRoom(v1::DeleteRoomRequest),
    Members(v1::ListMembersRequest),
    Bans(v1::ListBansRequest),
    Add(v1::AddMemberRequest),
    Remove(v1::RemoveMemberRequest),
    Leave(v1::LeaveRoomRequest),
    SetRole(v1::SetMemberRoleRequest),
    Mute(v1::MuteMemberRequest),
    Unmute(v1::UnmuteMemberRequest),
    Ban(v1::BanAccountRequest),
    Unban(v1::UnbanAccountRequest),
    MakeLink(v1::CreateRoomLinkRequest),
    VoidLink(v1::DeleteRoomLinkRequest),
    Join(v1::JoinRoomRequest),
    SignOut(v1::SignOutRequest),
}

/// An answer that is one.
#[derive(Debug)]
enum Reply {
    Nothing,
    Send(v1::SendMessageResponse),
    Edit(v1::EditMessageResponse),
    Delete(v1::DeleteMessageResponse),
    MarkRead(v1::MarkReadResponse),
    Page(v1::ListEventsResponse),
    People(Vec<String>),
    Room(v1::Room),
    Rooms(v1::ListRoomsResponse),
    Members(v1::ListMembersResponse),
    Member(v1::Member),
    Link(v1::CreateRoomLinkResponse),
}

/// What an attempt brought besides its answer, which no history has to know.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    /// Where the next page begins.
    pub(crate) page_token: String,
    /// The secret of a link.
    pub(crate) link: Option<String>,
}

// === impl Order ===

impl Order {
    /// Sends it as a call, and waits as long as the edge lets a call run.
    pub(crate) async fn call(&self, reach: &Reach, world: &World) -> (Answer, Extra) {
        let token = world
            .lock()
            .device(self.device)
            .map(|device| device.token.clone());
        let (wire, node) = (self.wire.clone(), reach.node.clone());
        let call = reach.run(async move { wire.call(&node, token.unwrap_or_default()).await });
        match timeout(CALL_DEADLINE, call).await {
            Ok(Some(Ok(reply))) => {
                let (done, extra) = reply.seen(&mut world.lock());
                (done.map_or_else(broken, Answer::Done), extra)
            }
            Ok(Some(Err(status))) => (sights::answer(&status), Extra::default()),
            Ok(None) => (sights::no_answer("the node died"), Extra::default()),
            Err(_) => (sights::no_answer("deadline of the edge"), Extra::default()),
        }
    }

    /// The command of a stream that asks for the same; `None` if there is none.
    pub(crate) fn command(&self) -> Option<Command> {
        Some(match self.wire.clone() {
            Wire::Send(request) => Command::SendMessage(request),
            Wire::Edit(request) => Command::EditMessage(request),
            Wire::Delete(request) => Command::DeleteMessage(request),
            Wire::MarkRead(request) => Command::MarkRead(request),
            Wire::Typing(request) => Command::SetTyping(request),
            Wire::Page(_)
            | Wire::Readers(_)
            | Wire::Create(_)
            | Wire::Direct(_)
            | Wire::View(_)
            | Wire::List(_)
            | Wire::Update(_)
            | Wire::Archive(_)
            | Wire::Unarchive(_)
            | Wire::DeleteRoom(_)
            | Wire::Members(_)
            | Wire::Bans(_)
            | Wire::Add(_)
            | Wire::Remove(_)
            | Wire::Leave(_)
            | Wire::SetRole(_)
            | Wire::Mute(_)
            | Wire::Unmute(_)
            | Wire::Ban(_)
            | Wire::Unban(_)
            | Wire::MakeLink(_)
            | Wire::VoidLink(_)
            | Wire::Join(_)
            | Wire::SignOut(_) => return None,
        })
    }
}

/// What a reply on a stream says of the command that it answers.
pub(crate) fn replied(reply: v1::Reply, state: &mut State) -> Answer {
    use v1::reply::Result as Wire;
    let reply = match reply.result {
        Some(Wire::Error(error)) => return sights::answer(&sights::status_of(error)),
        Some(Wire::SendMessage(said)) => Reply::Send(said),
        Some(Wire::EditMessage(edited)) => Reply::Edit(edited),
        Some(Wire::DeleteMessage(deleted)) => Reply::Delete(deleted),
        Some(Wire::MarkRead(marked)) => Reply::MarkRead(marked),
        Some(Wire::Done(_)) => Reply::Nothing,
        None => return broken("a reply that says nothing".to_owned()),
    };
    let (done, _) = reply.seen(state);
    done.map_or_else(broken, Answer::Done)
}

fn broken(words: Unreadable) -> Answer {
    sights::answer(&Status::internal(words))
}

// === impl Wire ===

impl Wire {
    /// Whether asking for it again, long after, is still asking for the same.
    pub(crate) const fn is_repeatable(&self) -> bool {
        matches!(
            self,
            Self::Send(_)
                | Self::Edit(_)
                | Self::Delete(_)
                | Self::MarkRead(_)
                | Self::Create(_)
                | Self::Direct(_)
        )
    }

    /// The files that it sends.
    pub(crate) fn files(&self) -> Vec<FileId> {
        let Self::Send(request) = self else {
            return Vec::new();
        };
        let names = request.attachments.iter();
        let files = names.map(|text| cluster_rpc::name::file(text, "attachments"));
        files.filter_map(Result::ok).collect()
    }

    async fn call(&self, node: &Node, token: String) -> Result<Reply, Status> {
        let caller = node.services.accounts.authenticate(&token).await;
        let caller = caller.map_err(|error| cluster_rpc::status(&error))?;
        let rooms = &node.services.rooms;
        macro_rules! ask {
            ($service:expr, $call:ident, $request:expr, $reply:expr) => {
                $service
                    .$call(on_behalf(caller, $request.clone()))
                    .await
                    .map(Response::into_inner)
                    .map($reply)
            };
        }
        let done = |()| Reply::Nothing;
        match self {
            Self::Send(r) => ask!(rooms, send_message, r, Reply::Send),
            Self::Edit(r) => ask!(rooms, edit_message, r, Reply::Edit),
            Self::Delete(r) => ask!(rooms, delete_message, r, Reply::Delete),
            Self::MarkRead(r) => {
                let marked =
                    v1::messages_server::Messages::mark_read(rooms, on_behalf(caller, r.clone()));
                marked.await.map(Response::into_inner).map(Reply::MarkRead)
            }
            Self::Typing(r) => ask!(rooms, set_typing, r, done),
            Self::Page(r) => ask!(rooms, list_events, r, Reply::Page),
            Self::Readers(r) => ask!(rooms, list_readers, r, |p| Reply::People(p.accounts)),
            Self::Create(r) => ask!(rooms, create_room, r, Reply::Room),
            Self::Direct(r) => ask!(rooms, open_direct_room, r, Reply::Room),
            Self::View(r) => ask!(rooms, get_room, r, Reply::Room),
            Self::List(r) => ask!(rooms, list_rooms, r, Reply::Rooms),
            Self::Update(r) => ask!(rooms, update_room, r, Reply::Room),
            Self::Archive(r) => ask!(rooms, archive_room, r, Reply::Room),
            Self::Unarchive(r) => ask!(rooms, unarchive_room, r, Reply::Room),
            Self::DeleteRoom(r) => ask!(rooms, delete_room, r, done),
            Self::Members(r) => ask!(rooms, list_members, r, Reply::Members),
            Self::Bans(r) => ask!(rooms, list_bans, r, |p| Reply::People(p.accounts)),
            Self::Add(r) => ask!(rooms, add_member, r, Reply::Member),
            Self::Remove(r) => ask!(rooms, remove_member, r, done),
            Self::Leave(r) => ask!(rooms, leave_room, r, done),
            Self::SetRole(r) => ask!(rooms, set_member_role, r, Reply::Member),
            Self::Mute(r) => ask!(rooms, mute_member, r, Reply::Member),
            Self::Unmute(r) => ask!(rooms, unmute_member, r, Reply::Member),
            Self::Ban(r) => ask!(rooms, ban_account, r, done),
            Self::Unban(r) => ask!(rooms, unban_account, r, done),
            Self::MakeLink(r) => ask!(rooms, create_room_link, r, Reply::Link),
            Self::VoidLink(r) => ask!(rooms, delete_room_link, r, done),
            Self::Join(r) => ask!(rooms, join_room, r, Reply::Room),
            Self::SignOut(_) => {
                let request = on_behalf(caller, v1::SignOutRequest {});
                let ended =
                    v1::accounts_server::Accounts::sign_out(&node.services.accounts, request);
                ended.await.map(|_| Reply::Nothing)
            }
        }
    }
}

fn on_behalf<T>(caller: Caller, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(caller);
    request
}

// === impl Reply ===

impl Reply {
    /// What a client makes of it.
    fn seen(self, state: &mut State) -> (Result<Done, Unreadable>, Extra) {
        let mut extra = Extra::default();
        let done = match self {
            Self::Nothing => Ok(Done::Nothing),
            Self::Send(said) => sights::said(&said),
            Self::Edit(edited) => Ok(Done::Changed(cluster_types::Seq(edited.seq))),
            Self::Delete(deleted) => Ok(Done::Changed(cluster_types::Seq(deleted.seq))),
            Self::MarkRead(marked) => Ok(Done::Marked {
                seq: cluster_types::Seq(marked.read_seq),
                unread: marked.unread_count,
            }),
            Self::Page(page) => {
                let more = !page.next_page_token.is_empty();
                extra.page_token = page.next_page_token;
                sights::events(state, page.events).map(|events| Done::Page { events, more })
            }
            Self::People(accounts) => sights::people(state, &accounts).map(Done::People),
            Self::Room(room) => sights::room_view(state, room).map(Done::Room),
            Self::Rooms(rooms) => {
                let views = rooms.rooms.into_iter();
                let views: Result<_, _> =
                    views.map(|view| sights::room_view(state, view)).collect();
                views.map(Done::Rooms)
            }
            Self::Members(members) => {
                extra.page_token = members.next_page_token;
                let members = members.members.iter();
                let members: Result<_, _> = members.map(|m| sights::member(state, m)).collect();
                members.map(Done::Members)
            }
            Self::Member(member) => {
                sights::member(state, &member).map(|member| Done::Members(vec![member]))
            }
            Self::Link(link) => {
                extra.link = Some(link.link);
                Ok(Done::Nothing)
            }
        };
        (done, extra)
    }
}
