//! The books of one link, without a link: what leaves, in which order, and what is kept.

use std::time::Duration;

use super::*;

const LIMITS: Limits = Limits {
    waiting_frames_max: 100,
    waiting_bytes_max: 1_000,
    asks_max: 4,
    asks_bytes_max: 40,
    credit_frames: 8,
    credit_bytes: 80,
    answers_bytes_max: 50,
};

fn books() -> Books {
    let mut books = Books::new(LIMITS);
    books.grant(Credit {
        frames: 1_000,
        bytes: 1_000_000,
    });
    books
}

fn ask(books: &mut Books) -> oneshot::Receiver<Result<Bytes, AskError>> {
    let (asker, answer) = oneshot::channel();
    let deadline = Instant::now() + Duration::from_secs(1);
    books.ask(Bytes::new(), deadline, asker).expect("room");
    answer
}

fn take(books: &mut Books) -> Option<Kind> {
    match books.take(Instant::now) {
        Next::Frame(kind) => Some(kind),
        Next::Wait | Next::End => None,
    }
}

fn take_all(books: &mut Books) -> Vec<Kind> {
    std::iter::from_fn(|| take(books)).collect()
}

#[test]
fn nothing_but_hello_is_sent_before_there_is_credit() {
    let mut books = Books::new(LIMITS);
    books.tell(Bytes::from_static(b"a")).expect("room");
    books.greet(Hello::default());
    assert!(matches!(take_all(&mut books)[..], [Kind::Hello(_)]));
    books.grant(Credit {
        frames: 1,
        bytes: 1,
    });
    assert!(matches!(take_all(&mut books)[..], [Kind::Tell(_)]));
}

#[test]
fn bytes_may_be_overdrawn_by_one_body_and_no_more() {
    let mut books = Books::new(LIMITS);
    books.grant(Credit {
        frames: 10,
        bytes: 1,
    });
    for _ in 0..2 {
        books.tell(vec![0; 100].into()).expect("room");
    }
    assert_eq!(take_all(&mut books).len(), 1);
    books.grant(Credit {
        frames: 1,
        bytes: 99,
    });
    assert_eq!(take(&mut books), None, "nothing is left of the credit");
    books.grant(Credit {
        frames: 1,
        bytes: 1,
    });
    assert_eq!(take_all(&mut books).len(), 1);
}

#[test]
fn what_another_node_sends_beyond_its_credit_is_a_flood() {
    let mut books = books();
    for _ in 0..LIMITS.credit_frames {
        books.arrived(1).expect("credit");
    }
    assert_eq!(books.arrived(0), Err(Flood));
    let mut books = Books::new(LIMITS);
    books.arrived(1_000).expect("overdrawn by one body");
    assert_eq!(books.arrived(0), Err(Flood));
}

#[test]
fn credit_is_given_back_in_parts_and_all_of_it() {
    let mut books = books();
    let mut back = 0;
    for _ in 0..10 * LIMITS.credit_frames {
        books.arrived(1).expect("credit is given back in time");
        books.dealt_with(1);
        while let Some(Kind::Credit(credit)) = take(&mut books) {
            assert!(credit.frames >= LIMITS.credit_frames / CREDIT_PART);
            back += credit.frames;
        }
    }
    assert!(back + LIMITS.credit_frames / CREDIT_PART > 10 * LIMITS.credit_frames);
}

#[test]
fn an_ask_counts_until_its_answer_has_left() {
    let mut books = books();
    for id in 1..=LIMITS.credit_frames.into() {
        books.arrived(0).expect("credit");
        assert!(books.owe(id, 0));
        books.answer(id, 0, Ok(Bytes::new()));
    }
    assert_eq!(
        books.arrived(0),
        Err(Flood),
        "all are answered, none has left"
    );
    let left = take_all(&mut books);
    assert!(left.iter().any(|kind| matches!(kind, Kind::Credit(_))));
    books.arrived(0).expect("credit");
}

#[test]
fn answers_that_nobody_reads_are_bounded_in_bytes() {
    let mut books = books();
    for id in 1..=8 {
        books.arrived(0).expect("credit");
        assert!(books.owe(id, 0));
        books.answer(id, 0, Ok(vec![0; 20].into()));
    }
    let bodies = take_all(&mut books).into_iter().filter(|kind| {
        let Kind::Answer(answer) = kind else {
            return false;
        };
        matches!(answer.outcome, Some(answer::Outcome::Body(_)))
    });
    assert_eq!(bodies.count(), 2, "50 bytes hold two of them");
}

#[test]
fn answers_overtake_what_waits_for_credit() {
    let mut books = Books::new(LIMITS);
    books.tell(Bytes::new()).expect("room");
    books.arrived(0).expect("credit");
    assert!(books.owe(7, 0));
    books.answer(7, 0, Ok(Bytes::new()));
    assert!(matches!(take(&mut books), Some(Kind::Answer(answer)) if answer.id == 7));
}

#[test]
fn an_ask_has_one_outcome_however_often_it_is_answered() {
    let mut books = books();
    let mut answer = ask(&mut books);
    take_all(&mut books);
    for body in ["first", "second"] {
        books.answered(wire::Answer {
            id: 1,
            outcome: Some(answer::Outcome::Body(body.into())),
        });
    }
    assert_eq!(answer.try_recv(), Ok(Ok("first".into())));
    books.close();
}

#[test]
fn an_outcome_of_a_later_version_is_no_proof_of_anything() {
    for outcome in [None, Some(answer::Outcome::Refusal(99))] {
        let mut books = books();
        let mut answer = ask(&mut books);
        take_all(&mut books);
        books.answered(wire::Answer { id: 1, outcome });
        assert_eq!(answer.try_recv(), Ok(Err(AskError::Unanswered)));
    }
}

#[test]
fn a_forgotten_ask_makes_room_and_is_not_sent() {
    let mut books = books();
    let _answers: Vec<_> = (0..4).map(|_| ask(&mut books)).collect();
    let (asker, _) = oneshot::channel();
    let deadline = Instant::now() + Duration::from_secs(1);
    assert_eq!(
        books.ask(Bytes::new(), deadline, asker),
        Err(AskError::Full)
    );
    assert!(!books.forget(2), "it was not sent");
    let _answer = ask(&mut books);
    let sent = take_all(&mut books).into_iter().filter_map(|kind| {
        let Kind::Ask(ask) = kind else { return None };
        Some(ask.id)
    });
    assert_eq!(sent.collect::<Vec<_>>(), [1, 3, 4, 5]);
}

#[test]
fn a_forgotten_ask_that_was_sent_keeps_its_place_until_it_is_answered() {
    let mut books = books();
    let _answers: Vec<_> = (0..4).map(|_| ask(&mut books)).collect();
    take_all(&mut books);
    assert!(books.forget(3), "it was sent");
    let another = |books: &mut Books| {
        let (asker, _) = oneshot::channel();
        books.ask(Bytes::new(), Instant::now(), asker)
    };
    assert_eq!(another(&mut books), Err(AskError::Full));
    books.answered(wire::Answer {
        id: 3,
        outcome: None,
    });
    assert_eq!(another(&mut books), Ok(5));
}

#[test]
fn an_ask_whose_deadline_has_passed_is_not_sent() {
    let mut books = books();
    let (asker, mut answer) = oneshot::channel();
    books
        .ask(Bytes::new(), Instant::now(), asker)
        .expect("room");
    books.tell(Bytes::new()).expect("room");
    assert!(matches!(take_all(&mut books)[..], [Kind::Tell(_)]));
    assert_eq!(answer.try_recv(), Ok(Err(AskError::NotSent)));
}

#[test]
fn the_end_tells_asks_that_were_sent_from_those_that_were_not() {
    let mut books = books();
    let mut sent = ask(&mut books);
    take_all(&mut books);
    let mut waiting = ask(&mut books);
    books.close();
    assert_eq!(sent.try_recv(), Ok(Err(AskError::Broken)));
    assert_eq!(waiting.try_recv(), Ok(Err(AskError::NotSent)));
    assert_eq!(books.tell(Bytes::new()), Err(TellError::NotLinked));
    assert_eq!(books.take(Instant::now), Next::End);
}

#[test]
fn who_leaves_says_farewell_last() {
    let mut books = books();
    books.arrived(0).expect("credit");
    assert!(books.owe(1, 0));
    books.tell(Bytes::new()).expect("room");
    books.leave();
    assert_eq!(books.tell(Bytes::new()), Err(TellError::NotLinked));
    books.arrived(0).expect("credit");
    assert!(!books.owe(2, 0), "refused");
    books.answer(1, 0, Ok(Bytes::new()));
    let left = take_all(&mut books);
    let farewells = |kind: &Kind| matches!(kind, Kind::Farewell(_));
    assert!(left.last().is_some_and(farewells), "{left:?}");
    assert_eq!(left.len(), 5, "refusal, answer, credit, tell, farewell");
    assert_eq!(books.take(Instant::now), Next::End);
}

#[test]
fn asks_leave_half_of_the_credit_to_what_is_told() {
    let mut books = books();
    let ask = |books: &mut Books, bytes| {
        let (asker, _answer) = oneshot::channel();
        let deadline = Instant::now() + Duration::from_secs(1);
        books.ask(vec![0; bytes].into(), deadline, asker)
    };
    let first = ask(&mut books, 60).expect("the first may be larger");
    assert_eq!(ask(&mut books, 1), Err(AskError::Full));
    books.forget(first);
    for _ in 0..2 {
        ask(&mut books, 20).expect("fits");
    }
    assert_eq!(ask(&mut books, 1), Err(AskError::Full));
    books
        .tell(vec![0; 60].into())
        .expect("what is told has a place");
}
