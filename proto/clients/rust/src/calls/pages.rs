//! Reading a list to its end.
//!
//! Invariant: the number of pages has a bound, so that a server cannot keep a client reading for ever.

use std::future::Future;

use crate::{Error, limits};

/// All rows of a list: `page` gets the token of a page and gives its rows and the token of the next.
pub(super) async fn all<T, F>(page: impl Fn(String) -> F) -> Result<Vec<T>, Error>
where
    F: Future<Output = Result<(Vec<T>, String), Error>>,
{
    let mut rows = Vec::new();
    let mut token = String::new();
    for _ in 0..limits::PAGES_MAX {
        let (more, next) = page(token).await?;
        rows.extend(more);
        if next.is_empty() {
            return Ok(rows);
        }
        token = next;
    }
    Err(Error::Nonsense("its list has no end"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pages_are_read_in_order_to_the_last() {
        let read = all(|token| async move {
            let next = match token.as_str() {
                "" => "b",
                "b" => "c",
                _ => "",
            };
            Ok((vec![token], next.to_owned()))
        });
        assert_eq!(read.await.expect("three pages"), ["", "b", "c"]);
    }

    #[tokio::test]
    async fn a_list_without_end_is_given_up() {
        let read = all(|_| async { Ok((vec![1], "more".to_owned())) });
        assert!(matches!(read.await, Err(Error::Nonsense(_))));
    }
}
