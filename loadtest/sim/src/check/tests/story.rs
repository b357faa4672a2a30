//! [`Story`]: a history told in a few lines, of one room and three people.
//!
//! It keeps a log beside the history, so that in the end everybody reads what was appended. A test tells
//! a story that is true, and changes the history or the log where it should not be.

use std::ops::RangeInclusive;

use cluster_types::{Seq, UnixMillis};
use proto::v1::member::Role;
use proto::v1::membership_change::Kind as Change;
use tonic::Code;

use crate::check::log::Log;
use crate::history::{
    Answer, Ask, Body, Cursor, Done, Entry, Event, Files, History, Item, KeptFile, Kind,
    MemberView, Message, MessageId, Moment, OnStream, Quota, RoomView, Said, Via, What, Why, World,
};
use crate::names::{Device, File, Op, Person, Room, Stream};

/// The room that everything is about.
pub(super) const ROOM: Room = Room(1);
/// Its owner.
pub(super) const A: Person = Person(0);
/// A member.
pub(super) const B: Person = Person(1);
/// Another one.
pub(super) const C: Person = Person(2);
/// The only file. It has ten bytes.
pub(super) const FILE: File = File(1);

/// What happened, and what is in the log.
#[derive(Clone, Debug)]
pub(super) struct Story {
    pub(super) entries: Vec<What>,
    pub(super) log: Vec<Event>,
    ops: u32,
    streams: u32,
    rests: bool,
    /// Who reads everything in the end.
    pub(super) readers: Vec<Person>,
}

impl Story {
    /// A has made a room, and has added B and C: three events.
    pub(super) fn new() -> Self {
        let mut story = Self {
            entries: vec![What::World(World::Started { life: 1 })],
            log: Vec::new(),
            ops: 0,
            streams: 0,
            rests: false,
            readers: vec![A, B, C],
        };
        let display_name = "a room".to_owned();
        let op = story.asks(A, Ask::CreateRoom { display_name });
        story.append(A, membership(A, Change::Added, Role::Owner));
        let view = story.view(A);
        story.answers(op, 1, Answer::Done(Done::Room(view)));
        story.adds(A, B);
        story.adds(A, C);
        story
    }

    // --- What happens ---

    pub(super) fn asks(&mut self, by: Person, ask: Ask) -> Op {
        self.ops += 1;
        let op = Op(self.ops);
        self.asks_again(op, 1, by, ask);
        op
    }

    pub(super) fn asks_again(&mut self, op: Op, attempt: u32, by: Person, ask: Ask) {
        self.entries.push(What::Asked {
            op,
            attempt,
            by,
            device: device(by),
            via: Via::Call,
            ask,
        });
    }

    pub(super) fn answers(&mut self, op: Op, attempt: u32, answer: Answer) {
        self.entries.push(What::Answered {
            op,
            attempt,
            answer,
        });
    }

    pub(super) fn done(&mut self, op: Op, done: Done) {
        self.answers(op, 1, Answer::Done(done));
    }

    /// Something becomes part of the log.
    pub(super) fn append(&mut self, actor: Person, kind: Kind) -> Seq {
        let seq = self.head().next();
        let messages = self.messages() + u64::from(matches!(kind, Kind::Message(_)));
        self.log.push(Event {
            room: ROOM,
            seq,
            actor,
            at: UnixMillis(1_000 + seq.0),
            messages,
            kind,
        });
        seq
    }

    pub(super) fn says(&mut self, by: Person, text: &str) -> Op {
        let op = self.asks(by, send(text));
        let seq = self.append(by, message(text));
        self.done(op, said(seq));
        op
    }

    /// Says something, with the only file.
    pub(super) fn shows(&mut self, by: Person, text: &str) {
        let op = self.asks(by, with_file(text));
        let Kind::Message(mut shown) = message(text) else {
            panic!("{text} is a message");
        };
        shown.said.files = Files::of([FILE]);
        let seq = self.append(by, Kind::Message(shown));
        self.done(op, said(seq));
    }

    /// The end, at which this is kept of the file, with what is counted for it.
    pub(super) fn keeps(&mut self, file: KeptFile, counted: u64) {
        let quota = Quota {
            who: Some(A),
            counted,
            kept: 10,
            uploads: 0,
        };
        self.entries.push(What::World(World::Files {
            kept: vec![file],
            quotas: vec![quota],
        }));
    }

    pub(super) fn changes(&mut self, by: Person, target: u64, text: &str) -> Op {
        let op = self.asks(by, edit(target, text));
        let seq = self.rewrite(by, target, text);
        self.done(op, Done::Changed(seq));
        op
    }

    /// The log of an edit: its event, and the message as it stands then.
    pub(super) fn rewrite(&mut self, by: Person, target: u64, text: &str) -> Seq {
        let seq = self.head().next();
        let Kind::Message(before) = self.at(target).kind else {
            panic!("{target} is not a message");
        };
        let now = Message {
            said: Said {
                body: Body::of(text),
                ..before.said
            },
            edited: seq,
            ..before
        };
        self.at(target).kind = Kind::Message(now);
        let target = Seq(target);
        self.append(
            by,
            Kind::Edit {
                target,
                message: Some(now),
            },
        )
    }

    pub(super) fn takes_back(&mut self, by: Person, target: u64) -> Op {
        let target = Seq(target);
        let op = self.asks(by, Ask::Delete { room: ROOM, target });
        let seq = self.erase(by, target);
        self.done(op, Done::Changed(seq));
        op
    }

    pub(super) fn erase(&mut self, by: Person, target: Seq) -> Seq {
        let seq = self.append(by, Kind::Deletion { target });
        self.at(target.0).kind = Kind::Message(Message {
            said: Said {
                body: Body::of(""),
                ..Said::default()
            },
            id: None,
            edited: seq,
            deleted: true,
        });
        seq
    }

    pub(super) fn adds(&mut self, by: Person, whom: Person) -> Op {
        let role = Role::Member;
        let op = self.asks(
            by,
            Ask::Add {
                room: ROOM,
                whom,
                role,
            },
        );
        self.append(by, membership(whom, Change::Added, role));
        self.done(op, Done::Members(vec![member(whom, role)]));
        op
    }

    pub(super) fn removes(&mut self, by: Person, whom: Person) -> Op {
        let op = self.asks(by, Ask::Remove { room: ROOM, whom });
        self.append(by, membership(whom, Change::Removed, Role::Unspecified));
        self.done(op, Done::Nothing);
        op
    }

    pub(super) fn reads(
        &mut self,
        by: Person,
        forward: bool,
        from: Option<u64>,
        events: Vec<Event>,
        more: bool,
    ) {
        let ask = Ask::Page {
            room: ROOM,
            forward,
            from: from.map(Seq),
            size: 1_000,
        };
        let op = self.asks(by, ask);
        self.done(op, Done::Page { events, more });
    }

    pub(super) fn looks(&mut self, by: Person, view: RoomView) {
        let op = self.asks(by, Ask::ViewRoom { room: ROOM });
        self.done(op, Done::Room(view));
    }

    // --- Streams ---

    /// A greeted stream whose client has `cursors`.
    pub(super) fn opens(&mut self, by: Person, cursors: &[(Room, u64)]) -> Stream {
        self.streams += 1;
        let stream = Stream(self.streams);
        let cursor = |(room, after): &(Room, u64)| Cursor {
            room: *room,
            after: Some(Seq(*after)),
        };
        let cursors = cursors.iter().map(cursor).collect();
        let device = device(by);
        self.on(
            stream,
            OnStream::Opened {
                by,
                device,
                cursors,
            },
        );
        self.gets(stream, Item::Ready);
        self.on(stream, OnStream::Greeted(Ok(())));
        stream
    }

    pub(super) fn on(&mut self, stream: Stream, what: OnStream) {
        self.entries.push(What::Stream(stream, what));
    }

    pub(super) fn gets(&mut self, stream: Stream, item: Item) {
        self.on(stream, OnStream::Got(item));
    }

    pub(super) fn delivers(&mut self, stream: Stream, events: RangeInclusive<u64>) {
        for seq in events {
            let event = self.at(seq).clone();
            self.gets(stream, Item::Event(event));
        }
    }

    pub(super) fn marks(&mut self, stream: Stream, seq: u64) {
        let live = Item::Live {
            room: ROOM,
            seq: Seq(seq),
            log_id: "log".to_owned(),
            rebuilt: false,
        };
        self.gets(stream, live);
    }

    // --- The end ---

    /// Everything comes to rest: every stream is caught up.
    pub(super) fn rests(&mut self) {
        for stream in (1..=self.streams).map(Stream) {
            let open = !self
                .entries
                .iter()
                .any(|what| matches!(what, What::Stream(of, OnStream::Leaves) if *of == stream));
            let follows = self.entries.iter().any(|what| {
                matches!(what, What::Stream(of, OnStream::Opened { cursors, .. })
                    if *of == stream && !cursors.is_empty())
            });
            if open && follows {
                self.marks(stream, self.head().0);
            }
        }
        self.settles();
    }

    /// Everything has come to rest, as it is.
    pub(super) fn settles(&mut self) {
        self.entries.push(What::World(World::Settled));
        self.rests = true;
    }

    /// The history, at the end of which everybody reads the log from both ends.
    pub(super) fn tell(mut self) -> History {
        if !self.rests {
            for stream in (1..=self.streams).map(Stream) {
                self.on(stream, OnStream::Leaves);
            }
            self.settles();
        }
        for by in self.readers.clone() {
            for forward in [true, false] {
                let mut events = self.log.clone();
                if !forward {
                    events.reverse();
                }
                let room = ROOM;
                self.entries.push(What::Walk {
                    room,
                    by,
                    forward,
                    events,
                });
            }
        }
        let entry = |(at, what)| Entry {
            at: Moment(at),
            what,
        };
        History {
            entries: (0..).zip(self.entries).map(entry).collect(),
        }
    }

    // --- Looking ---

    pub(super) fn head(&self) -> Seq {
        Seq(self.log.len() as u64)
    }

    pub(super) fn at(&mut self, seq: u64) -> &mut Event {
        &mut self.log[usize::try_from(seq).expect("small") - 1]
    }

    pub(super) fn messages(&self) -> u64 {
        self.log
            .iter()
            .filter(|event| matches!(event.kind, Kind::Message(_)))
            .count() as u64
    }

    /// The room as `by` sees it, who has read everything.
    pub(super) fn view(&self, by: Person) -> RoomView {
        let mut log = Log::default();
        log.events = self
            .log
            .iter()
            .map(|event| (event.seq, event.clone()))
            .collect();
        let stand = log.stand(self.head());
        RoomView {
            room: ROOM,
            display_name: "a room".to_owned(),
            archived: false,
            log_id: "log".to_owned(),
            head: self.head(),
            messages: self.messages(),
            read: self.head(),
            unread: 0,
            members: stand.members.len() as u64,
            role: stand
                .members
                .get(&by)
                .map_or(Role::Unspecified, |member| member.role),
        }
    }
}

pub(super) fn device(of: Person) -> Device {
    Device(of.0)
}

/// Text stands for id and body alike, so that two messages differ if their texts do.
pub(super) fn id(text: &str) -> MessageId {
    let mut id = [0; 16];
    id.iter_mut()
        .zip(text.bytes())
        .for_each(|(to, from)| *to = from);
    MessageId(id)
}

pub(super) fn words(text: &str) -> Said {
    Said {
        body: Body::of(text),
        ..Said::default()
    }
}

pub(super) fn send(text: &str) -> Ask {
    Ask::Send {
        room: ROOM,
        id: id(text),
        said: words(text),
    }
}

/// Saying something with the only file.
pub(super) fn with_file(text: &str) -> Ask {
    let files = Files::of([FILE]);
    Ask::Send {
        room: ROOM,
        id: id(text),
        said: Said {
            files,
            ..words(text)
        },
    }
}

/// What is kept of the only file, which the message at `seq` carries.
pub(super) fn kept(seq: u64) -> KeptFile {
    KeptFile {
        file: FILE,
        uses: Some(1),
        carried: vec![(ROOM, Seq(seq))],
        is_upload: false,
        objects: 1,
    }
}

pub(super) fn edit(target: u64, text: &str) -> Ask {
    Ask::Edit {
        room: ROOM,
        target: Seq(target),
        id: id(text),
        said: words(text),
    }
}

pub(super) fn message(text: &str) -> Kind {
    Kind::Message(Message {
        said: words(text),
        id: Some(id(text)),
        edited: Seq::ZERO,
        deleted: false,
    })
}

pub(super) fn membership(whom: Person, change: Change, role: Role) -> Kind {
    Kind::Membership { whom, change, role }
}

pub(super) fn member(who: Person, role: Role) -> MemberView {
    let muted = false;
    MemberView { who, role, muted }
}

pub(super) fn said(seq: Seq) -> Done {
    let at = UnixMillis(1_000 + seq.0);
    Done::Said { seq, at }
}

pub(super) fn why(code: Code) -> Why {
    Why {
        code,
        reason: "BECAUSE".to_owned(),
    }
}
