//! The uploads of an account, as its clients list them.

use super::*;
use crate::limits::{UPLOADS_MAX, UPLOADS_PAGE};

/// A page, and the token of the next one.
async fn page(
    house: &House,
    account: AccountId,
    page_size: i32,
    page_token: &str,
) -> Result<v1::ListUploadsResponse, Status> {
    let request = v1::ListUploadsRequest {
        page_size,
        page_token: page_token.to_owned(),
    };
    let listed = house.client().list_uploads(by(account, request)).await;
    listed.map(Response::into_inner)
}

fn names(uploads: &[v1::Upload]) -> Vec<String> {
    let mut names: Vec<_> = uploads.iter().map(|upload| upload.name.clone()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn ones_own_uploads_are_listed_as_they_stand_until_a_message_carries_them() {
    let house = House::new().await;
    house.others.members.lock().push(OTHER);
    let empty = page(&house, ACCOUNT, 0, "").await.expect("none");
    assert_eq!(empty, v1::ListUploadsResponse::default());
    let begun = house.start(100).await;
    let whole = house.start(5).await;
    let messages = vec![from(&whole, 0), piece(b"hello")];
    let whole = house.send(ACCOUNT, messages).await.expect("is whole");
    let whole = whole.into_inner();
    let others = by(OTHER, start_upload(1));
    let others = house.client().start_upload(others).await.expect("begins");
    let listed = page(&house, ACCOUNT, 0, "").await.expect("both");
    assert_eq!(listed.next_page_token, "");
    let mut expected = [begun.clone(), whole.clone()];
    expected.sort_by(|one, other| one.name.cmp(&other.name));
    let mut found = listed.uploads;
    found.sort_by(|one, other| one.name.cmp(&other.name));
    assert_eq!(found, expected);
    let listed = page(&house, OTHER, 0, "").await.expect("one");
    assert_eq!(listed.uploads, [others.into_inner()]);
    let file = name::file(&whole.name, "name").expect("a name");
    house.world.take(ROOM, file).await.expect("is carried");
    let listed = page(&house, ACCOUNT, 0, "").await.expect("one");
    assert_eq!(names(&listed.uploads), [begun.name]);
}

#[tokio::test]
async fn pages_hold_each_upload_once_and_go_back_to_their_own_caller_only() {
    let house = House::new().await;
    let mut begun = Vec::new();
    for _ in 0..UPLOADS_MAX {
        begun.push(house.start(1).await);
    }
    for (size, pages) in [(1, 64), (10, 7), (0, 2), (64, 1), (i32::MAX, 1)] {
        let (mut found, mut token, mut read) = (Vec::new(), String::new(), 0);
        loop {
            let listed = page(&house, ACCOUNT, size, &token).await.expect("a page");
            found.extend(listed.uploads);
            token = listed.next_page_token;
            read += 1;
            if token.is_empty() {
                break;
            }
        }
        assert_eq!((names(&found), read), (names(&begun), pages), "{size}");
    }
    let first = page(&house, ACCOUNT, 0, "").await.expect("the first page");
    assert_eq!(first.uploads.len(), UPLOADS_PAGE);
    let token = first.next_page_token;
    let bad = |answer: Result<_, _>| {
        let (code, _, fields) = refusal(answer);
        (code, fields)
    };
    let foreign = bad(page(&house, OTHER, 0, &token).await);
    assert_eq!(foreign, (Code::InvalidArgument, vec!["page_token".into()]));
    let both = bad(page(&house, ACCOUNT, -1, "nonsense").await);
    let fields = vec!["page_size".to_owned(), "page_token".to_owned()];
    assert_eq!(both, (Code::InvalidArgument, fields));
}
