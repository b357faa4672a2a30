//! Asks and tells over a link: their order, their outcomes and their bounds.

use futures::future::join_all;

use super::*;

#[tokio::test(start_paused = true)]
async fn asks_and_tells_arrive_in_the_order_of_the_calls() {
    let network = MemoryNetwork::new();
    let (a, b) = pair(&network, Limits::default()).await;
    for number in 0..1_000 {
        a.links.tell(B, body(number)).expect("room");
    }
    let answer = a.links.ask(B, Bytes::from_static(b"last"), SOON).await;
    assert_eq!(answer.expect("answered"), "last");
    let heard = b.ear.heard();
    let told = (0..1_000).map(|number| Heard::Told(A, body(number)));
    assert!(heard[1..1_001].iter().cloned().eq(told));
    assert_eq!(heard[1_001], Heard::Asked(A, "last".into()));
}

#[tokio::test(start_paused = true)]
async fn each_ask_gets_its_own_answer_in_whatever_order_they_come() {
    let network = MemoryNetwork::new();
    let (a, b) = pair(&network, Limits::default()).await;
    b.ear.keep_asks();
    let asking = join_all((0..50).map(|number| a.links.ask(B, body(number), SOON)));
    let answering = async {
        b.ear.until(|heard| heard.len() == 51).await;
        for (back, answer) in b.ear.kept().into_iter().rev().enumerate() {
            answer.send(body(49 - back));
        }
    };
    let (answers, ()) = tokio::join!(asking, answering);
    let wanted: Vec<_> = (0..50).map(|number| Ok(body(number))).collect();
    assert_eq!(answers, wanted);
}

#[tokio::test(start_paused = true)]
async fn an_ask_that_is_let_go_is_unanswered() {
    let network = MemoryNetwork::new();
    let (a, b) = pair(&network, Limits::default()).await;
    b.ear.keep_asks();
    let letting_go = async {
        b.ear.until_last(Heard::Asked(A, body(1))).await;
        drop(b.ear.kept());
    };
    let (answer, ()) = tokio::join!(a.links.ask(B, body(1), SOON), letting_go);
    assert_eq!(answer, Err(AskError::Unanswered));
}

#[tokio::test(start_paused = true)]
async fn a_break_tells_what_was_sent_from_what_was_not() {
    let network = MemoryNetwork::new();
    let limits = Limits {
        credit_frames: 2,
        ..Limits::default()
    };
    let (a, b) = pair(&network, limits).await;
    b.ear.keep_asks();
    let breaking = async {
        b.ear.until_last(Heard::Asked(A, body(1))).await;
        network.sever(A, B);
    };
    let asks = join_all((0..4).map(|number| a.links.ask(B, body(number), SOON)));
    let (answers, ()) = tokio::join!(asks, breaking);
    let sent = Err(AskError::Broken);
    let waited = Err(AskError::NotSent);
    assert_eq!(answers, [sent.clone(), sent, waited.clone(), waited]);
    assert!(AskError::Broken.may_have_happened() && !AskError::NotSent.may_have_happened());
    let asked = |heard: &Heard| matches!(heard, Heard::Asked(..));
    assert_eq!(b.ear.heard().iter().filter(|heard| asked(heard)).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_tells_what_was_sent_from_what_was_not() {
    let network = MemoryNetwork::new();
    let limits = Limits {
        credit_frames: 1,
        ..Limits::default()
    };
    let (a, b) = pair(&network, limits).await;
    b.ear.keep_asks();
    let within = Duration::from_millis(100);
    let asks = join_all((0..2).map(|number| a.links.ask(B, body(number), within)));
    assert_eq!(
        asks.await,
        [Err(AskError::TimedOut), Err(AskError::NotSent)]
    );
    // The late answer is nobody's; its credit serves the next ask.
    b.ear
        .kept()
        .into_iter()
        .for_each(|answer| answer.send(body(9)));
    let answering = async {
        b.ear.until_last(Heard::Asked(A, body(3))).await;
        b.ear
            .kept()
            .into_iter()
            .for_each(|answer| answer.send(body(3)));
    };
    let (answer, ()) = tokio::join!(a.links.ask(B, body(3), SOON), answering);
    assert_eq!(answer, Ok(body(3)));
}

#[tokio::test(start_paused = true)]
async fn a_handler_knows_when_nobody_waits_any_more() {
    let network = MemoryNetwork::new();
    let (a, b) = pair(&network, Limits::default()).await;
    b.ear.keep_asks();
    let within = Duration::from_millis(100);
    let answer = a.links.ask(B, body(1), within).await;
    assert_eq!(answer, Err(AskError::TimedOut));
    let kept = b.ear.kept();
    assert_eq!(kept[0].peer(), A);
    assert!(kept[0].is_abandoned());
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_not_linked_is_not_waited_for() {
    let network = MemoryNetwork::new();
    let a = start(&network, life(A, 1));
    assert_eq!(a.links.tell(B, body(1)), Err(TellError::NotLinked));
    assert_eq!(
        a.links.ask(B, body(1), SOON).await,
        Err(AskError::NotLinked)
    );
}

#[tokio::test(start_paused = true)]
async fn bodies_pass_up_to_their_bound_whatever_the_credit() {
    let network = MemoryNetwork::new();
    let limits = Limits {
        credit_bytes: 1,
        ..Limits::default()
    };
    let (a, b) = pair(&network, limits).await;
    let largest = Bytes::from(vec![1; BODY_BYTES_MAX]);
    let larger = Bytes::from(vec![1; BODY_BYTES_MAX + 1]);
    for _ in 0..3 {
        let answer = a.links.ask(B, largest.clone(), SOON).await;
        assert_eq!(answer, Ok(largest.clone()));
    }
    assert_eq!(a.links.tell(B, larger.clone()), Err(TellError::TooLarge));
    assert_eq!(a.links.ask(B, larger, SOON).await, Err(AskError::TooLarge));
    a.links.tell(B, largest.clone()).expect("room");
    b.ear.until_last(Heard::Told(A, largest)).await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_bounded_in_number_and_in_bytes() {
    let network = MemoryNetwork::new();
    let limits = Limits {
        waiting_frames_max: 10,
        waiting_bytes_max: 1_000,
        ..Limits::default()
    };
    let (a, b) = pair(&network, limits).await;
    // Nothing is sent before this task waits for something.
    for number in 0..10 {
        a.links.tell(B, body(number)).expect("room");
    }
    assert_eq!(a.links.tell(B, body(10)), Err(TellError::Full));
    assert_eq!(a.links.ask(B, body(10), SOON).await, Err(AskError::Full));
    b.ear.until_last(Heard::Told(A, body(9))).await;
    a.links.tell(B, vec![0; 600].into()).expect("room");
    assert_eq!(a.links.tell(B, vec![0; 600].into()), Err(TellError::Full));
}

#[tokio::test(start_paused = true)]
async fn credit_comes_back_for_as_long_as_it_is_used() {
    let network = MemoryNetwork::new();
    let limits = Limits {
        credit_frames: 3,
        credit_bytes: 10,
        ..Limits::default()
    };
    let (a, b) = pair(&network, limits).await;
    for number in 0..1_000 {
        a.links.tell(B, body(number)).expect("room");
        if number % 10 == 0 {
            assert_eq!(a.links.ask(B, body(number), SOON).await, Ok(body(number)));
        }
    }
    b.ear.until_last(Heard::Told(A, body(999))).await;
    assert_eq!(b.ear.heard().len(), 1 + 1_000 + 100, "all of it, once");
}

#[tokio::test(start_paused = true)]
async fn however_links_break_each_ask_happens_once_or_never_as_its_outcome_says() {
    let network = MemoryNetwork::new();
    let limits = Limits {
        credit_frames: 5,
        ..Limits::default()
    };
    let (a, b) = pair(&network, limits).await;
    let rng = Rng::seeded(11);
    network.delay(A, B, Duration::from_millis(3));
    network.delay(B, A, Duration::from_millis(2));
    let asking = async {
        let mut outcomes = Vec::new();
        for round in 0..200 {
            let asks = (0..10).map(|number| {
                let number = round * 10 + number;
                a.links.ask(B, body(number), Duration::from_millis(20))
            });
            outcomes.extend(join_all(asks).await);
            a.ear.until_last(Heard::Linked(B)).await;
        }
        outcomes
    };
    let breaking = async {
        loop {
            tokio::time::sleep(rng.jitter(Duration::from_millis(200))).await;
            network.sever(A, B);
        }
    };
    let outcomes = tokio::select! {
        outcomes = asking => outcomes,
        () = breaking => unreachable!("it goes on"),
    };
    // What is still under way arrives by then.
    tokio::time::sleep(SOON).await;
    let heard = b.ear.heard();
    let mut kinds = [0; 3];
    for (number, outcome) in outcomes.into_iter().enumerate() {
        let asked = Heard::Asked(A, body(number));
        let times = heard.iter().filter(|heard| **heard == asked).count();
        let (kind, fits) = match &outcome {
            Ok(answer) => (0, times == 1 && *answer == body(number)),
            Err(error) if error.may_have_happened() => (1, times <= 1),
            Err(_) => (2, times == 0),
        };
        assert!(fits, "ask {number} happened {times} times: {outcome:?}");
        kinds[kind] += 1;
    }
    assert!(kinds.iter().all(|kind| *kind > 20), "all kinds: {kinds:?}");
}
