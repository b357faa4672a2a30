//! From room to room: by name, by order, by what is new. Pure.

use super::model::Chat;
use super::room::RoomState;

/// The rooms whose title has all the words of `filter`, those with something new first.
pub(crate) fn matching<'a>(chat: &'a Chat, filter: &str) -> Vec<&'a RoomState> {
    let words: Vec<String> = filter.split_whitespace().map(str::to_lowercase).collect();
    let mut rooms = chat.listing();
    rooms.retain(|room| {
        let title = chat.title(room).to_lowercase();
        words.iter().all(|word| title.contains(word.as_str()))
    });
    rooms.sort_by_key(|room| room.room.unread_count == 0);
    rooms
}

/// The room so many places further down the list, around its ends.
pub(crate) fn neighbour(chat: &Chat, step: isize) -> Option<String> {
    let rooms = chat.listing();
    let count = isize::try_from(rooms.len())
        .ok()
        .filter(|count| *count > 0)?;
    let open = chat.open.as_deref();
    let at = rooms.iter().position(|room| Some(room.name()) == open);
    let to = match at {
        Some(at) => (isize::try_from(at).ok()? + step).rem_euclid(count),
        None => 0,
    };
    let room = rooms.get(usize::try_from(to).ok()?)?;
    Some(room.name().to_owned())
}

/// The next room of the list with something new, the loudest first.
pub(crate) fn next_unread(chat: &Chat) -> Option<String> {
    let rooms = chat.listing();
    let open = chat.open.as_deref();
    let unread = rooms
        .into_iter()
        .filter(|room| room.room.unread_count > 0 && Some(room.name()) != open);
    // Of equals, max_by_key gives the last: the list is turned, so that it is the first.
    let unread: Vec<_> = unread.collect();
    let loudest = unread.into_iter().rev().max_by_key(|room| room.loudest);
    loudest.map(|room| room.name().to_owned())
}
