//! Every bound of this crate, with its reason.

use std::time::Duration;

/// Bytes in a voice datagram, all of it. QUIC's packets are 1,200 bytes of UDP and never more, so that no path
/// which carries QUIC at all is too narrow; less 29 of its header and tag, 9 of the frame, and 16 of the room's id between
/// nodes. What is left over is for longer connection ids.
pub const DATAGRAM_BYTES_MAX: usize = 1_120;

/// Who is in a call, also those whose places are kept. What a room of an organisation needs on its largest day; the
/// view of such a call is some 100 kB, and is sent to each node whenever somebody comes or goes.
pub const PARTICIPANTS_MAX: usize = 1_000;

/// Slots of a call. Twice as many as participants, since one that was left rests until the keys of its former
/// owner are refused, which takes seconds, and somebody else may come at once. With the two bits of an epoch a
/// slot is in two bytes of an `SFrame` header.
pub const SLOTS: u16 = 2_048;

/// Devices with which one account is in a call. More is a mistake, or somebody who takes all places.
pub const DEVICES_PER_ACCOUNT_MAX: usize = 8;

/// Accounts that a call remembers to be silenced, also while they are not there: they would come back to speak. As
/// many as can be there.
pub const SILENCED_MAX: usize = 1_000;

/// How long the slot of a connection that broke is kept. A client that changes its network is back within a few
/// seconds, one that has to find another node within ten.
pub const PLACE_KEPT: Duration = Duration::from_secs(15);

/// The longest and the shortest time that an epoch may be configured to last, and what it lasts if nobody says
/// otherwise. A minute is what a call of hundreds can follow easily; an hour is what can be recorded and opened
/// at once by whoever learns one secret.
pub const EPOCH_PERIOD_MIN: Duration = Duration::from_secs(60);
/// See [`EPOCH_PERIOD_MIN`].
pub const EPOCH_PERIOD_MAX: Duration = Duration::from_secs(60 * 60);
/// See [`EPOCH_PERIOD_MIN`].
pub const EPOCH_PERIOD_DEFAULT: Duration = Duration::from_secs(10 * 60);

/// How long an epoch that is offered waits for those who have not acknowledged it. Three round trips of a bad
/// network; whoever is later misses what is said until then.
pub const EPOCH_OFFER_MAX: Duration = Duration::from_secs(1);

/// How long an epoch is accepted after the next one became the present one: for frames on their way, and for
/// senders who have not heard of it.
pub const EPOCH_OVERLAP: Duration = Duration::from_secs(5);

/// From one offer to the next, at least. A call of a thousand in which somebody leaves each second is told, and
/// acknowledges, a thousand times a second, which is what a node can do; not ten thousand times.
pub const EPOCH_EVERY_MIN: Duration = Duration::from_secs(1);

/// Frames that may overtake each other: 20 s of one sender, and 136 bytes for each.
pub const REPLAY_WINDOW: u64 = 1_024;

/// Datagrams of one connection in a second. Sound has 50 frames in a second, 100 if they are as short as
/// people choose them.
pub const DATAGRAMS_PER_SECOND: u32 = 100;

/// Datagrams that may come at once: what a network held back for 200 ms.
pub const DATAGRAMS_BURST: u32 = 20;

/// Speakers of a call who are forwarded at a time, if nobody says otherwise: more at once understands nobody.
pub const SPEAKERS_DEFAULT: usize = 5;

/// The most that may be configured: each frame looks at them all.
pub const SPEAKERS_MAX: usize = 16;

/// How long somebody who is silent keeps a place among the speakers. A codec that sends nothing in silence lets
/// hear of itself each 400 ms.
pub const FLOOR_KEPT: Duration = Duration::from_millis(500);

/// How much louder than the quietest speaker somebody has to be to take the place. Twice the pressure of sound: so
/// much, two who speak alike do not differ for long.
pub const LOUDER_BY_DB: u8 = 6;

/// How fast the smoothed loudness follows one who gets louder: with the first frames of a word.
pub const LOUDER_WITHIN: Duration = Duration::from_millis(20);

/// How fast it follows one who gets quieter: a gap between words is bridged.
pub const QUIETER_WITHIN: Duration = Duration::from_millis(200);

/// Who is smoothed to at least this level, in dB below full scale, speaks. Quiet speech is at 40; a quiet room is
/// below 60.
pub const SPEAKING_LEVEL: u8 = 50;

/// How often it is looked who speaks, and told where it changed.
pub const SPEAKING_EVERY: Duration = Duration::from_millis(200);

// Slots that were left rest while as many others come.
const _: () = assert!(SLOTS as usize >= 2 * PARTICIPANTS_MAX);
// A slot with the two bits of an epoch is two bytes.
const _: () = assert!((SLOTS as u64) << 2 <= 1 << 16);
// Epochs of a call are counted from the seconds of its home's clock on, so that the next call there counts higher.
const _: () = assert!(EPOCH_EVERY_MIN.as_secs() >= 1);
const _: () = assert!(SPEAKERS_DEFAULT <= SPEAKERS_MAX);
