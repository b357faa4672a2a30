//! What commands print: lines to standard output, troubles to standard error.
//!
//! Invariant: what comes from a server is made harmless before it is printed. Whoever closes the pipe
//! has read enough: that is no error.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::exit::{self, Failure};

/// A line of a command's result. False if nobody reads any more.
pub(crate) fn line(text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).is_ok()
}

/// A result as JSON, on one line.
pub(crate) fn json(value: &Value) -> bool {
    line(&value.to_string())
}

/// Why a command was not done.
pub(crate) fn trouble(failure: &Failure, as_json: bool) {
    let mut out = std::io::stderr().lock();
    let text = if as_json {
        error_json(failure).to_string()
    } else {
        format!("error: {}", crate::text::clean(&failure.to_string()))
    };
    // There is nobody left to tell.
    let _ = writeln!(out, "{text}");
    if let (Some(error), false) = (failure.client(), as_json)
        && let Some(advice) = exit::advice(error)
    {
        let _ = writeln!(out, "{advice}");
    }
}

/// A line about what goes on, for people.
pub(crate) fn note(text: &str) {
    let mut out = std::io::stderr().lock();
    // As above.
    let _ = writeln!(out, "{}", crate::text::clean(text));
}

fn error_json(failure: &Failure) -> Value {
    let mut error = json!({
        "exit_code": failure.number(),
        "message": failure.to_string(),
    });
    if let Some(refusal) = failure.client().and_then(|error| error.refusal()) {
        let violations: Vec<Value> = refusal
            .violations
            .iter()
            .map(|v| json!({"field": v.field, "description": v.description}))
            .collect();
        error["code"] = json!(format!("{:?}", refusal.code));
        error["reason"] = json!(refusal.reason);
        error["violations"] = json!(violations);
    }
    json!({ "error": error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_for_programs_has_its_exit_code() {
        let value = error_json(&Failure::Usage("what?".to_owned()));
        assert_eq!(value["error"]["exit_code"], 64);
        assert_eq!(value["error"]["message"], "what?");
    }
}
