//! No answer is one that only a defect explains, and everything can be read.

use std::collections::BTreeSet;

use tonic::Code;

use super::facts::Facts;
use super::{About, Rule, Verdict, numbered};
use crate::history::{Answer, OnStream, What, Why};
use crate::names::Stream;

pub(super) fn check(facts: &Facts<'_>, verdict: &mut Verdict) {
    let mut silent: BTreeSet<Stream> = BTreeSet::new();
    for (at, what) in numbered(facts.history) {
        match what {
            What::Answered { op, answer, .. } => {
                let order = facts.orders.get(op);
                let out = order.and_then(|order| facts.sign_outs.get(&order.device));
                // Somebody who has signed out, or just might have, is nobody.
                let may_be_out = out.is_some_and(|(asked, _)| *asked < at);
                if let Some(what) = wrong(answer, may_be_out) {
                    verdict.broken(Rule::Sound, About::entry(at).op(*op), what);
                }
            }
            What::Stream(stream, what) => {
                let about = About::entry(at).stream(*stream);
                match what {
                    // Who does not say hello is sent away.
                    OnStream::Opened { .. } => _ = silent.insert(*stream),
                    OnStream::Greeted(Ok(())) => _ = silent.remove(stream),
                    OnStream::Ended(Code::InvalidArgument) if silent.contains(stream) => {}
                    // The store could not say which rooms there are.
                    OnStream::Ended(Code::Unavailable | Code::Aborted)
                        if silent.contains(stream) => {}
                    OnStream::Ended(Code::Ok) => {}
                    OnStream::Ended(code) => {
                        let what = format!("{stream} ended with {code:?}");
                        verdict.broken(Rule::Sound, about, what);
                    }
                    OnStream::Broken(what) => {
                        verdict.broken(Rule::Sound, about, format!("{stream}: {what}"));
                    }
                    OnStream::Greeted(Err(why))
                    | OnStream::Followed(_, Err(why))
                    | OnStream::Unfollowed(_, Err(why))
                        if is_fault(why) =>
                    {
                        let what = format!("{stream}: {why:?} to what was asked rightly");
                        verdict.broken(Rule::Sound, about, what);
                    }
                    _ => {}
                }
            }
            What::World(_) | What::Asked { .. } | What::Walk { .. } => {}
        }
    }
}

/// What is wrong with an answer in itself.
fn wrong(answer: &Answer, may_be_out: bool) -> Option<String> {
    match answer {
        Answer::Fault(why) => Some(format!("answered with {why:?}")),
        // Nobody here sends anything that is malformed, or asks for what is not there yet.
        Answer::Refused(why) if why.code == Code::InvalidArgument => {
            Some(format!("refused with {why:?} what was asked rightly"))
        }
        Answer::Refused(why) if why.code == Code::Unauthenticated && !may_be_out => Some(format!(
            "refused with {why:?} somebody who has not signed out"
        )),
        Answer::Refused(_) | Answer::NotNow(_) | Answer::Doubtful(_) | Answer::Done(_) => None,
    }
}

fn is_fault(why: &Why) -> bool {
    matches!(
        why.code,
        Code::InvalidArgument | Code::Internal | Code::DataLoss | Code::Unknown
    )
}
