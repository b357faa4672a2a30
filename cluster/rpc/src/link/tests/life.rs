//! How links come and go: broken, silent, superseded, in a new life, stopped.

use super::*;

use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn two_nodes_are_linked_whichever_is_first() {
    let network = MemoryNetwork::new();
    let (a, b) = pair(&network, Limits::default()).await;
    assert!(a.links.is_linked(B) && b.links.is_linked(A));
    assert_eq!((a.links.linked(), b.links.linked()), (vec![B], vec![A]));
}

#[tokio::test(start_paused = true)]
async fn a_broken_link_stands_again_at_once() {
    let network = MemoryNetwork::new();
    let (a, b) = pair(&network, Limits::default()).await;
    let broke = Instant::now();
    network.sever(A, B);
    let again = |peer| {
        vec![
            Heard::Linked(peer),
            Heard::Unlinked(peer),
            Heard::Linked(peer),
        ]
    };
    a.ear.until(|heard| *heard == again(B)).await;
    b.ear.until(|heard| *heard == again(A)).await;
    assert!(broke.elapsed() < Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn silence_in_one_direction_ends_the_link_on_both_sides_within_a_second_or_so() {
    for (from, to) in [(A, B), (B, A)] {
        let network = MemoryNetwork::new();
        let (a, b) = pair(&network, Limits::default()).await;
        network.hold(from, to);
        let began = Instant::now();
        a.ear
            .until(|heard| heard.contains(&Heard::Unlinked(B)))
            .await;
        b.ear
            .until(|heard| heard.contains(&Heard::Unlinked(A)))
            .await;
        assert!(
            began.elapsed() <= Duration::from_millis(1_300),
            "{:?}",
            began.elapsed()
        );
        assert!(!a.links.is_linked(B), "nobody can connect meanwhile");
        network.release(from, to);
        a.ear.until_last(Heard::Linked(B)).await;
        b.ear.until_last(Heard::Linked(A)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_on_which_nobody_has_anything_to_say_stays() {
    let network = MemoryNetwork::new();
    let (a, b) = pair(&network, Limits::default()).await;
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(a.ear.heard(), [Heard::Linked(B)]);
    assert_eq!(b.ear.heard(), [Heard::Linked(A)]);
}

#[tokio::test(start_paused = true)]
async fn a_new_life_of_a_node_gets_a_link_and_the_old_one_loses_its_own() {
    let network = MemoryNetwork::new();
    let (a, old) = pair(&network, Limits::default()).await;
    let new = start(&network, life(B, 2));
    new.links.set_peers(peers(&[life(A, 1), life(B, 2)]));
    a.links.set_peers(peers(&[life(A, 1), life(B, 2)]));
    a.ear
        .until(|heard| *heard == [Heard::Linked(B), Heard::Unlinked(B), Heard::Linked(B)])
        .await;
    new.ear.until_last(Heard::Linked(A)).await;
    old.ear.until_last(Heard::Unlinked(A)).await;
    a.links.tell(B, body(1)).expect("linked");
    new.ear.until_last(Heard::Told(A, body(1))).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_no_member_any_more_is_left() {
    let network = MemoryNetwork::new();
    let (a, b) = pair(&network, Limits::default()).await;
    b.links.set_peers(peers(&[]));
    b.ear.until_last(Heard::Unlinked(A)).await;
    a.ear.until_last(Heard::Unlinked(B)).await;
    tokio::time::sleep(SOON).await;
    assert!(a.links.linked().is_empty() && b.links.linked().is_empty());
    b.links.set_peers(peers(&[life(A, 1)]));
    a.ear.until_last(Heard::Linked(B)).await;
}

#[tokio::test(start_paused = true)]
async fn a_newer_connection_takes_the_place_of_one_that_is_half_open() {
    let network = MemoryNetwork::new();
    let (a, b) = pair(&network, Limits::default()).await;
    // Another process of the same life, as after a restore of a machine: it is the newer one.
    let twin = start(&network, life(A, 1));
    twin.links.set_peers(peers(&[life(A, 1), life(B, 1)]));
    twin.ear.until_last(Heard::Linked(B)).await;
    b.ear
        .until(|heard| *heard == [Heard::Linked(A), Heard::Unlinked(A), Heard::Linked(A)])
        .await;
    a.ear.until_last(Heard::Unlinked(B)).await;
}

#[tokio::test(start_paused = true)]
async fn who_stops_sends_what_waits_and_finishes_its_answers() {
    let network = MemoryNetwork::new();
    let (a, b) = pair(&network, Limits::default()).await;
    b.ear.keep_asks();
    let asking = {
        let links = a.links.clone();
        a.tasks.spawn(TaskKind::Completion, "asks", async move {
            let answer = links.ask(B, body(1), SOON).await;
            assert_eq!(answer.expect("answered"), "late");
        })
    };
    b.ear.until_last(Heard::Asked(A, body(1))).await;
    b.links.tell(A, body(2)).expect("linked");
    let stopping = {
        let links = b.links.clone();
        b.tasks.spawn(TaskKind::Completion, "stops", async move {
            links.stop(SOON).await;
        })
    };
    a.ear.until_last(Heard::Told(B, body(2))).await;
    assert_eq!(a.links.ask(B, body(3), SOON).await, Err(AskError::Stopping));
    for answer in b.ear.kept() {
        answer.send("late".into());
    }
    let began = Instant::now();
    asking.await.expect("ends");
    stopping.await.expect("ends");
    assert!(began.elapsed() < Duration::from_secs(1));
    a.ear.until_last(Heard::Unlinked(B)).await;
    b.ear.until_last(Heard::Unlinked(A)).await;
    assert_eq!(b.links.tell(A, body(4)), Err(TellError::NotLinked));
    a.links.stop(SOON).await;
    for node in [a, b] {
        node.tasks.stop();
        assert_eq!(node.tasks.ended(SOON).await, 0, "no task is left behind");
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_get_its_answers_out_stops_at_the_deadline() {
    let network = MemoryNetwork::new();
    let (a, b) = pair(&network, Limits::default()).await;
    b.ear.keep_asks();
    let asking = a.links.ask(B, body(1), SOON);
    let stopping = async {
        b.ear.until_last(Heard::Asked(A, body(1))).await;
        let began = Instant::now();
        b.links.stop(Duration::from_secs(1)).await;
        began.elapsed()
    };
    let (answer, span) = tokio::join!(asking, stopping);
    assert_eq!(answer, Err(AskError::Broken));
    assert!(span < Duration::from_millis(1_300), "{span:?}");
}

#[tokio::test(start_paused = true)]
async fn tasks_that_are_stopped_end_the_links() {
    let network = MemoryNetwork::new();
    let (a, b) = pair(&network, Limits::default()).await;
    a.tasks.stop();
    assert_eq!(a.tasks.ended(SOON).await, 0);
    b.ear.until_last(Heard::Unlinked(A)).await;
}
