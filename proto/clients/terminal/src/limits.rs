//! Every bound of the terminal client, with its reason.

use std::time::Duration;

/// Events of one page of history: a screenful or two of a tall terminal.
pub(crate) const PAGE_EVENTS: i32 = 100;

/// Lines above the first one shown at which the next page is asked for, so that scrolling rarely waits.
pub(crate) const PAGE_AHEAD_LINES: usize = 40;

/// Events kept of one room. Older ones are read again when somebody scrolls up to them.
pub(crate) const HISTORY_EVENTS_MAX: usize = 4_000;

/// Rooms followed at a time. The server allows 64; the rooms not opened for longest are left to their
/// counters.
pub(crate) const FOLLOWED_ROOMS_MAX: usize = 32;

/// Messages of one's own that wait for the server. More are refused: something is wrong by then.
pub(crate) const UNSENT_MAX: usize = 100;

/// Files on their way, waiting or failed: a few messages' worth. Somebody who wants more waits for some of them.
pub(crate) const TRANSFERS_MAX: usize = 32;

/// How often a transfer says how far it is: as often as eyes follow a bar.
pub(crate) const PROGRESS_EVERY: Duration = Duration::from_millis(250);

/// How often back a transfer's pace is seen: five seconds of [`PROGRESS_EVERY`], so that it neither jumps nor
/// lags.
pub(crate) const PACE_SEEN_MAX: usize = 20;

/// Numbers that are tried for a name that is taken. Whoever has more of one name has another problem.
pub(crate) const NUMBERED_MAX: u32 = 100;

/// Files of a folder that Tab looks at: it answers at once or not at all.
pub(crate) const FOLDER_ENTRIES_MAX: usize = 10_000;

/// A typing mark is good for this long: the protocol's span.
pub(crate) const TYPING_SHOWN: Duration = Duration::from_secs(6);

/// How often one's own typing is told: often enough that it never lapses.
pub(crate) const TYPING_TOLD_EVERY: Duration = Duration::from_secs(4);

/// How long a notice stays.
pub(crate) const NOTICE_SHOWN: Duration = Duration::from_secs(12);

/// Between two attempts to connect before there is a session. The session has a back-off of its own.
pub(crate) const CONNECT_AGAIN_EVERY: Duration = Duration::from_secs(3);

/// The longest wait between two attempts to reconnect: somebody sits there and waits.
pub(crate) const RECONNECT_MAX: Duration = Duration::from_secs(10);

/// Before a page that did not come, or a room that could not be followed, is asked for again.
pub(crate) const ASK_AGAIN_AFTER: Duration = Duration::from_secs(3);

/// Clock of the screen: countdowns and typing marks move once a second.
pub(crate) const TICK: Duration = Duration::from_secs(1);

/// Messages of one person stand under one name, and under a new one at each full five minutes.
pub(crate) const GROUP_SPAN_SECONDS: i64 = 5 * 60;

/// Lines that the input grows to before it scrolls.
pub(crate) const INPUT_LINES_MAX: u16 = 8;

/// Columns below which the list of rooms gives way to the conversation.
pub(crate) const LIST_SHOWN_FROM_COLUMNS: u16 = 64;

/// Columns of the list of rooms.
pub(crate) const LIST_COLUMNS: u16 = 26;

/// Suggestions shown while a command is typed.
pub(crate) const SUGGESTIONS_MAX: usize = 6;

/// A body as the server takes it.
pub(crate) const BODY_BYTES_MAX: usize = 64 * 1024;

/// Accounts whose presence can be watched.
pub(crate) const WATCHED_MAX: usize = 512;

/// Members of a room that are loaded for names and completion. Larger rooms are still talked in.
pub(crate) const MEMBERS_LOADED_MAX: i32 = 1_000;

/// Members whose names are loaded before they say something, for completion.
pub(crate) const NAMES_LOADED_MAX: usize = 100;

/// Results on their way to the screen.
pub(crate) const MESSAGES_MAX: usize = 256;

/// Calls made side by side. A fast person makes two.
pub(crate) const CALLS_MAX: usize = 16;

/// How long leaving waits for what is not sent yet.
pub(crate) const LEAVE_WAITS: Duration = Duration::from_secs(2);

/// A message of one's own is tried again for this long in plain mode before the program gives up.
pub(crate) const PLAIN_SEND_DEADLINE: Duration = Duration::from_secs(120);

/// Messages shown before the live ones in plain mode, unless asked otherwise.
pub(crate) const PLAIN_HISTORY_DEFAULT: usize = 0;

/// A file with a password or token. Longer is a mistake in the path.
pub(crate) const SECRET_BYTES_MAX: u64 = 4 * 1024;

/// How often a rotation that is watched is asked how far it is: often enough for a bar that moves.
pub(crate) const WATCH_EVERY: Duration = Duration::from_millis(250);

/// Rooms that `admin cluster` names as the hottest of all nodes: those that an operator would think of moving.
pub(crate) const HOTTEST_SHOWN: usize = 5;
