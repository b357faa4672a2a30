//! Commands on a stream: the same as by unary calls, and with the same errors.

use std::time::Duration;

use cluster_rpc::name;
use cluster_store::Faults;
use proto::v1::{
    DeleteMessageRequest, EditMessageRequest, MarkReadRequest, SetTypingRequest, WatchPresence,
};
use services_rooms::limits::BODY_BYTES_MAX;
use services_sessions::limits::{INBOX, WATCHED_ACCOUNTS_PER_CALL};

use crate::wire::{Answer, Code, Command, Item, reason, retry_after, status_of, violation};
use crate::world::{PACE_RETRY, World, after, hello, send, text, texts, uuid};

#[tokio::test(start_paused = true)]
async fn each_command_is_answered_as_its_call_would_be() {
    let world = World::new().await;
    let ann = world.person();
    let room = world.room(&[ann]).await;
    let mut client = world.client(ann, vec![]).await;
    match client.done(send(room, 1, "one")).await {
        Answer::SendMessage(sent) => assert!(sent.seq == 2 && sent.create_time.is_some()),
        other => panic!("{other:?}"),
    }
    let edit = EditMessageRequest {
        room: name::of_room(room),
        seq: 2,
        body: "two".to_owned(),
        client_message_id: uuid(2),
        ..EditMessageRequest::default()
    };
    match client.done(Command::EditMessage(edit)).await {
        Answer::EditMessage(edited) => assert_eq!(edited.seq, 3),
        other => panic!("{other:?}"),
    }
    let delete = DeleteMessageRequest {
        room: name::of_room(room),
        seq: 2,
    };
    match client.done(Command::DeleteMessage(delete)).await {
        Answer::DeleteMessage(deleted) => assert_eq!(deleted.seq, 4),
        other => panic!("{other:?}"),
    }
    let mark = MarkReadRequest {
        room: name::of_room(room),
        seq: 4,
    };
    match client.done(Command::MarkRead(mark)).await {
        Answer::MarkRead(marked) => assert_eq!((marked.read_seq, marked.unread_count), (4, 0)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn errors_name_field_reason_and_room() {
    let world = World::new().await;
    let (ann, eve) = (world.person(), world.person());
    let room = world.room(&[ann]).await;
    let mut client = world.client(eve, vec![]).await;

    let status = status_of(client.done(send(room, 1, "let me in")).await);
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(reason(&status).0, "ROOM_NOT_FOUND");

    let status = status_of(client.done(send(room, 1, "")).await);
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(violation(&status).0, "body");

    let request = client.send(None);
    let status = status_of(client.reply(request).await.1);
    assert_eq!(violation(&status).0, "command");

    let typing = SetTypingRequest {
        room: name::of_room(room),
    };
    let status = status_of(client.done(Command::SetTyping(typing)).await);
    assert_eq!(status.code(), Code::NotFound);

    let mut client = world.client(ann, vec![]).await;
    let mark = MarkReadRequest {
        room: name::of_room(room),
        seq: 99,
    };
    let status = status_of(client.done(Command::MarkRead(mark)).await);
    assert_eq!(violation(&status).0, "seq");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_long_is_named_and_the_stream_goes_on() {
    let world = World::new().await;
    let ann = world.person();
    let room = world.room(&[ann]).await;
    let mut client = world.client(ann, vec![]).await;
    let before = client.send(send(room, 1, "before"));
    let long = client.send(send(room, 2, &"x".repeat(BODY_BYTES_MAX + 8 * 1024)));
    let after = client.send(send(room, 3, "after"));
    assert!(matches!(
        client.reply(before).await.1,
        Answer::SendMessage(_)
    ));
    let status = status_of(client.reply(long).await.1);
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(violation(&status).0, "body");
    assert!(matches!(
        client.reply(after).await.1,
        Answer::SendMessage(_)
    ));
}

#[tokio::test(start_paused = true)]
async fn commands_count_against_the_callers_rate() {
    let world = World::new().await;
    let ann = world.person();
    let room = world.room(&[ann]).await;
    *world.everybody.calls_left.lock() = Some(2);
    // What opened the stream was counted as a call.
    let mut client = world.client(ann, vec![]).await;
    for id in 1..=2 {
        let sent = client.done(send(room, id, "x")).await;
        assert!(matches!(sent, Answer::SendMessage(_)), "{sent:?}");
    }
    client.send_numbered(0, send(room, 3, "x"));
    let status = status_of(client.done(send(room, 4, "x")).await);
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(reason(&status), ("RATE_LIMITED".to_owned(), true));
    assert_eq!(retry_after(&status), Some(PACE_RETRY));
    let view = world.rooms.view(ann.account, room).await.expect("a view");
    assert_eq!(view.message_count, 2, "nothing of it was done");
    *world.everybody.calls_left.lock() = Some(1);
    let sent = client.done(send(room, 4, "x")).await;
    assert!(matches!(sent, Answer::SendMessage(_)), "{sent:?}");
}

#[tokio::test(start_paused = true)]
async fn who_watches_many_pays_for_many() {
    let world = World::new().await;
    let ann = world.person();
    let mut client = world.client(ann, vec![]).await;
    let watch = |count: usize| {
        let others = (0..count).map(|_| name::of_account(world.person().account));
        let accounts = others.collect();
        Command::WatchPresence(WatchPresence { accounts })
    };
    *world.everybody.calls_left.lock() = Some(3);
    let status = status_of(client.done(watch(3 * WATCHED_ACCOUNTS_PER_CALL)).await);
    assert_eq!(reason(&status), ("RATE_LIMITED".to_owned(), true));
    client.done(watch(WATCHED_ACCOUNTS_PER_CALL)).await;
    assert_eq!(*world.everybody.calls_left.lock(), Some(1));
}

#[tokio::test(start_paused = true)]
async fn the_same_id_is_the_same_message() {
    let world = World::new().await;
    let ann = world.person();
    let room = world.room(&[ann]).await;
    let mut client = world.client(ann, vec![]).await;
    let first = client.done(send(room, 1, "one")).await;
    assert_eq!(client.done(send(room, 1, "one")).await, first);
    let status = status_of(client.done(send(room, 1, "two")).await);
    assert_eq!(status.code(), Code::AlreadyExists);
}

#[tokio::test(start_paused = true)]
async fn who_wants_no_reply_gets_none() {
    let world = World::new().await;
    let ann = world.person();
    let room = world.room(&[ann]).await;
    let mut client = world.client(ann, vec![]).await;
    client.send_numbered(0, send(room, 1, "one"));
    client.send_numbered(0, send(room, 1, ""));
    let request = client.send(send(room, 2, "two"));
    let (items, _) = client.reply(request).await;
    let is_reply = |item: &Item| matches!(item, Item::Reply(_));
    assert!(!items.iter().any(is_reply), "{:?}", texts(&items));
}

#[tokio::test(start_paused = true)]
async fn messages_keep_their_order_also_into_a_room_that_sleeps() {
    for seed in 0..20 {
        let world = World::seeded(seed).await;
        let ann = world.person();
        // The room's actor has not run since the room was made.
        let rooms = [world.room(&[ann]).await, world.room(&[ann]).await];
        let mut client = world.client(ann, vec![]).await;
        world.disk.set_faults(Faults {
            delay: 500_000,
            delay_max: Duration::from_millis(20),
            ..Faults::NONE
        });
        for number in 1..=120_u128 {
            let room = rooms[usize::from(number % 3 == 0)];
            client.send(send(room, number, &format!("{number}")));
        }
        let mut replies = 0;
        while replies < 120 {
            if let Item::Reply(reply) = client.item().await {
                assert!(
                    matches!(reply.result, Some(Answer::SendMessage(_))),
                    "{reply:?}"
                );
                replies += 1;
            }
        }
        world.disk.set_faults(Faults::NONE);
        for (room, others) in [(rooms[0], false), (rooms[1], true)] {
            let mut reader = world.client(ann, vec![after(room, 1)]).await;
            let items = reader.until(|item| matches!(item, Item::Live(_))).await;
            let events = items.iter().filter(|item| matches!(item, Item::Event(_)));
            let events: Vec<_> = events.map(text).collect();
            let numbers = (1..=120_u64).filter(|number| (number % 3 == 0) == others);
            let expected: Vec<_> = (2_u64..)
                .zip(numbers)
                .map(|(seq, number)| format!("{seq} {number}"))
                .collect();
            assert_eq!(events, expected, "seed {seed}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn too_many_commands_are_refused_and_nothing_of_them_is_done() {
    let world = World::new().await;
    let ann = world.person();
    let room = world.room(&[ann]).await;
    let mut client = world.client(ann, vec![]).await;
    // Nothing is answered for a while.
    world.disk.set_faults(Faults {
        stall: 1_000_000,
        stall_span: Duration::from_secs(3),
        ..Faults::NONE
    });
    let count = INBOX.count_max + 50;
    for number in 0..count {
        client.send(send(room, number as u128 + 1, "x"));
    }
    let mut refused = 0;
    while refused < 50 {
        let Item::Reply(reply) = client.item().await else {
            continue;
        };
        let status = status_of(reply.result.expect("a result"));
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(reason(&status), ("TOO_MUCH_UNDER_WAY".to_owned(), true));
        refused += 1;
    }
    world.disk.set_faults(Faults::NONE);
    let mut sent = 0;
    while sent < INBOX.count_max {
        if let Item::Reply(reply) = client.item().await {
            assert!(
                matches!(reply.result, Some(Answer::SendMessage(_))),
                "{reply:?}"
            );
            sent += 1;
        }
    }
    let view = world.rooms.view(ann.account, room).await.expect("a view");
    assert_eq!(view.message_count, INBOX.count_max as u64);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_mistakes_is_answered_one_by_one() {
    let world = World::new().await;
    let mut client = world.client(world.person(), vec![]).await;
    for _ in 0..2_000 {
        client.send(None);
    }
    for _ in 0..2_000 {
        match client.item().await {
            Item::Reply(reply) => assert!(matches!(reply.result, Some(Answer::Error(_)))),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_before_the_last_word_is_done_and_answered() {
    let world = World::new().await;
    let ann = world.person();
    let room = world.room(&[ann]).await;
    let mut client = world.stream(ann).await.expect("a stream");
    client.send(Command::Hello(hello(vec![after(room, 0)])));
    for number in 1..=100 {
        client.send(send(room, number, "x"));
    }
    client.half_close();
    let (items, status) = client.rest().await;
    assert_eq!(status.code(), Code::Ok);
    let replies = items.iter().filter(|item| matches!(item, Item::Reply(_)));
    assert_eq!(replies.count(), 101);
    let seqs: Vec<_> = items
        .iter()
        .filter_map(|item| match item {
            Item::Event(event) => Some(event.seq),
            _ => None,
        })
        .collect();
    assert_eq!(seqs, Vec::from_iter(1..=seqs.len() as u64), "no gap");
    assert!(items.iter().any(|item| matches!(item, Item::Live(_))));
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_at_all_gets_nothing() {
    let world = World::new().await;
    let mut client = world.stream(world.person()).await.expect("a stream");
    client.half_close();
    let (items, status) = client.rest().await;
    assert!(items.is_empty() && status.code() == Code::Ok);
}
