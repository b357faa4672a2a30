//! Every bound of this crate, with its reason.

use std::time::Duration;

/// Bytes in a voice datagram, all of it: what fits into a QUIC packet of 1,200 bytes on its way between nodes. The
/// server refuses more.
pub const DATAGRAM_BYTES_MAX: usize = 1_120;

/// Bytes of one encoded frame. At the highest bit rate a frame has 320 on average and rarely twice as many; with the
/// longest header and the tag this stays below [`DATAGRAM_BYTES_MAX`].
pub const PACKET_BYTES_MAX: usize = 1_000;

/// Frames under one key. AES-GCM keeps its promises up to 2^24.5 messages of the largest size (RFC 9001, B.1, counts
/// them); the longest epoch, an hour, has 180,000 frames.
pub const FRAMES_PER_KEY_MAX: u64 = 1 << 24;

/// Epochs that a receiver holds: the one that is offered, the present one, and the former one, which is accepted
/// until all have heard of the change. Two bits tell four apart.
pub const EPOCHS_HELD_MAX: usize = 3;

/// Places that a receiver knows: what a call has of them on the server.
pub const SPEAKERS_KNOWN_MAX: usize = 2_048;

/// Frames that may overtake each other: 20 s of one sender, and 128 bytes for each. The server's window is as long.
pub const REPLAY_WINDOW: u64 = 1_024;

/// Bit rate unless somebody says otherwise. Opus gives speech in full band from 28 kb/s on.
pub const BITRATE_DEFAULT_BPS: u32 = 32_000;

/// Below, Opus falls back to the band of a telephone.
pub const BITRATE_MIN_BPS: u32 = 8_000;

/// Above, nobody hears a difference in a voice, and frames come near the size of a datagram.
pub const BITRATE_MAX_BPS: u32 = 128_000;

/// Loss that the encoder prepares for at least, and unless somebody says otherwise. At 32 kb/s Opus packs the frame before
/// into each frame from here on, and not at 5 %. Measured on speech with 2 % of loss: 0.996 of it came out
/// instead of 0.967, for 0.3 dB without loss.
pub const LOSS_MIN_PERCENT: u8 = 10;

/// More loss than this cannot be mended by the frame that follows; the rate would go into repetition alone.
pub const LOSS_MAX_PERCENT: u8 = 30;

/// How hard the encoder tries, of 10. Measured on speech: 0.6 ms for a frame instead of 1.0 at 10, and no
/// difference in the result beyond 0.5 dB.
pub const COMPLEXITY: u8 = 5;

/// Frames that a buffer holds back at least. With one, a frame that is lost is not known to be lost before it is
/// needed, and what the next one says of it comes too late.
pub const DELAY_MIN_FRAMES: u64 = 2;

/// Frames that it holds back at most: 400 ms, from where on people interrupt each other.
pub const DELAY_MAX_FRAMES: u64 = 20;

/// Frames that wait in a buffer: a second, and some 4 kB of sound. Older ones are dropped for newer ones.
pub const WAITING_FRAMES_MAX: u64 = 50;

/// A frame further behind than this belongs to another count, which has begun anew: within one, the replay window
/// lets no older one pass.
pub const BEHIND_FRAMES_MAX: u64 = REPLAY_WINDOW;

/// Frames in a row that are made up when nothing comes: 200 ms, after which it is the end of what was said.
pub const CONCEALED_IN_A_ROW_MAX: u64 = 10;

/// Frames in a row that are made up as loudly as they were made. From there on they fade, to nothing at
/// [`CONCEALED_IN_A_ROW_MAX`], since the decoder would go on with a murmur and then break off.
pub const CONCEALED_LOUDLY_MAX: u64 = 3;

/// Turns over which a buffer looks at how full it was before it gives back or takes delay: a second.
pub const WATCHED_TURNS: u64 = 50;

/// Frames that have to be left over in all these turns before delay is given back: one less is no reserve.
pub const SPARE_FRAMES: u64 = 2;

/// Frames too many from which on delay is given back also while somebody speaks aloud: 100 ms are heard as a
/// pause in each answer, and longer than a shortened syllable.
pub const HASTE_FRAMES: u64 = 5;

/// Turns until a frame that came too late has lost its effect on the delay: 2 s. So much delay is held that one
/// frame of a hundred comes late at most.
pub const LATE_FORGOTTEN_TURNS: u64 = 100;

/// Turns that a buffer remembers, whether a frame came in time: tells one that is late from one that came twice.
pub const REMEMBERED_TURNS: u64 = 64;

/// Loudness in decibels below full scale from which on a frame may be left out, or one put in, and nobody hears it: the
/// gaps between words.
pub const QUIET_DB: u8 = 45;

/// Voices that are decoded at a time. The server forwards 16 speakers at most, 5 usually; a decoder takes some
/// 100 kB, and 0.1 ms for each frame.
pub const VOICES_MAX: usize = 16;

/// How long a voice that is silent keeps its decoder from one who begins to speak while all are taken. A pause between
/// two sentences is shorter.
pub const VOICE_KEPT: Duration = Duration::from_secs(1);

/// Peak of what is mixed. What is left is for the interpolation of whatever plays it.
pub const PEAK_MAX: f32 = 0.97;

/// Samples within which the mix is made quieter when voices add up: 2 ms, below which the step is heard as a click.
pub const ATTACK_SAMPLES: usize = 96;

/// Part of the way back to full loudness that the mix goes in one frame: half of it within 130 ms.
pub const RELEASE_PER_FRAME: f32 = 0.1;

/// Sound that is read from a file at a time, in seconds at 48 kHz: 115 MB. Longer is cut off with an error, not with memory.
pub const FILE_SECONDS_MAX: u64 = 600;

/// Rates of files that are read: from the telephone's half to what studios record with.
pub const FILE_RATE_MIN_HZ: u32 = 4_000;
/// See [`FILE_RATE_MIN_HZ`].
pub const FILE_RATE_MAX_HZ: u32 = 384_000;

/// Channels of files that are read: what a film has.
pub const FILE_CHANNELS_MAX: u16 = 16;

/// Samples that the resampler takes at a time: a filter that is steep enough to leave speech alone.
pub const RESAMPLER_CHUNK: usize = 1_024;

/// Delay that a comparison looks for, between what was said and what was heard: more is no conversation.
pub const COMPARED_DELAY_MAX: Duration = Duration::from_secs(3);

/// How far the delay may move from one part of a comparison to the next: what a buffer can give back or take.
pub const COMPARED_DRIFT_MAX: Duration = Duration::from_millis(120);
