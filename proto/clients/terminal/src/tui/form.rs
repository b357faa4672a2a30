//! The form to sign in or to make an account.
//!
//! Invariant: a password is never in what can be shown, and leaves the form once it is sent. Pure.

use rookery_client::{Code, Error};

use super::composer::Composer;
use super::model::{Effect, Secret};

/// Signing in, or making an account.
#[derive(Default)]
pub(crate) struct SignInForm {
    /// Whether an account is made.
    pub(crate) registering: bool,
    pub(crate) user: Composer,
    pub(crate) display_name: Composer,
    pub(crate) invitation: Composer,
    password: Composer,
    repeated: Composer,
    pub(crate) keep: bool,
    /// Which of [`SignInForm::fields`].
    pub(crate) at: usize,
    /// Sent, and not answered.
    pub(crate) busy: bool,
    /// What is wrong, one line each.
    pub(crate) problems: Vec<String>,
}

/// A line of the form.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Field {
    User,
    DisplayName,
    Password,
    Repeated,
    Invitation,
    Keep,
}

impl Field {
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::User => "User name",
            Self::DisplayName => "Shown as",
            Self::Password => "Password",
            Self::Repeated => "Once more",
            Self::Invitation => "Invitation",
            Self::Keep => "Stay signed in",
        }
    }
}

impl SignInForm {
    pub(crate) fn new(user: Option<&str>, invitation: Option<&str>) -> Self {
        let mut form = Self {
            registering: invitation.is_some(),
            keep: true,
            ..Self::default()
        };
        form.user.set(user.unwrap_or_default());
        form.invitation.set(invitation.unwrap_or_default());
        form.at = usize::from(user.is_some());
        form
    }

    pub(crate) const fn fields(&self) -> &'static [Field] {
        if self.registering {
            &[
                Field::User,
                Field::DisplayName,
                Field::Password,
                Field::Repeated,
                Field::Invitation,
                Field::Keep,
            ]
        } else {
            &[Field::User, Field::Password, Field::Keep]
        }
    }

    pub(crate) fn field(&self) -> Field {
        self.fields()[self.at.min(self.fields().len() - 1)]
    }

    /// What the current line is typed into; `None` for a box to tick.
    pub(crate) const fn input(&mut self, field: Field) -> Option<&mut Composer> {
        Some(match field {
            Field::User => &mut self.user,
            Field::DisplayName => &mut self.display_name,
            Field::Password => &mut self.password,
            Field::Repeated => &mut self.repeated,
            Field::Invitation => &mut self.invitation,
            Field::Keep => return None,
        })
    }

    /// What is shown of a line, and the column of the cursor in it.
    pub(crate) fn shown(&self, field: Field) -> (String, usize) {
        let (composer, hidden) = match field {
            Field::User => (&self.user, false),
            Field::DisplayName => (&self.display_name, false),
            Field::Password => (&self.password, true),
            Field::Repeated => (&self.repeated, true),
            Field::Invitation => (&self.invitation, false),
            Field::Keep => {
                let mark = if self.keep { "[x]" } else { "[ ]" };
                return (mark.to_owned(), 1);
            }
        };
        if hidden {
            let dots = |text: &str| "•".repeat(crate::text::graphemes(text).count());
            return (
                dots(composer.text()),
                dots(composer.before()).chars().count(),
            );
        }
        (
            composer.text().to_owned(),
            crate::text::width(composer.before()),
        )
    }

    /// Types a text into the current line. A password is taken as it is; it is never shown.
    pub(crate) fn insert(&mut self, text: &str) {
        let field = self.field();
        let secret = matches!(field, Field::Password | Field::Repeated);
        let text = text.trim_end_matches(['\r', '\n']);
        if let Some(input) = self.input(field) {
            if secret {
                input.insert_exact(text);
            } else {
                input.insert(&crate::text::clean_line(text));
            }
        }
    }

    /// Between signing in and making an account.
    pub(crate) fn toggle(&mut self) {
        self.registering = !self.registering;
        self.at = 0;
        self.problems.clear();
    }

    /// Goes on to the next line, or back.
    pub(crate) fn go(&mut self, forward: bool) {
        let count = self.fields().len();
        let step = if forward { 1 } else { count - 1 };
        self.at = (self.at.min(count - 1) + step) % count;
    }

    /// Sends the form, if it is complete.
    pub(crate) fn submit(&mut self) -> Option<Effect> {
        if self.busy {
            return None;
        }
        self.problems = self.missing();
        if !self.problems.is_empty() {
            return None;
        }
        self.busy = true;
        let user = self.user.text().trim().to_owned();
        let password = Secret(self.password.text().to_owned());
        let keep = self.keep;
        Some(if self.registering {
            Effect::Register {
                user,
                display_name: self.display_name.text().trim().to_owned(),
                password,
                invitation: self.invitation.text().trim().to_owned(),
                keep,
            }
        } else {
            Effect::SignIn {
                user,
                password,
                keep,
            }
        })
    }

    /// The server said no: shows each reason as a line, and leaves what was typed but the password that
    /// was wrong.
    pub(crate) fn refuse(&mut self, error: &Error) {
        self.busy = false;
        let violations = error.refusal().map(|refusal| &refusal.violations);
        let lines = violations.into_iter().flatten();
        self.problems = lines
            .map(|v| crate::text::clean_line(&format!("{}: {}", v.field, v.description)))
            .collect();
        if self.problems.is_empty() {
            self.problems = vec![crate::text::clean_line(&error.to_string())];
        }
        let refused = error.refusal();
        let weak = refused.is_some_and(|refusal| {
            let mut violations = refusal.violations.iter();
            violations.any(|violation| violation.field == "password")
        });
        // What cannot be seen is typed anew rather than mended.
        if weak || error.code() == Some(Code::Unauthenticated) {
            self.password.take();
            self.repeated.take();
            let password = |field: &Field| *field == Field::Password;
            self.at = self.fields().iter().position(password).unwrap_or(0);
        }
    }

    fn missing(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut check = |wrong: bool, text: &str| {
            if wrong {
                problems.push(text.to_owned());
            }
        };
        check(self.user.text().trim().is_empty(), "Give a user name.");
        check(self.password.is_empty(), "Give a password.");
        check(
            self.registering && self.password != self.repeated && !self.password.is_empty(),
            "The two passwords differ.",
        );
        problems
    }
}

impl std::fmt::Debug for SignInForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SignInForm(registering: {})", self.registering)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(registering: bool) -> SignInForm {
        let mut form = SignInForm::new(Some("ada"), registering.then_some("rk_i_x"));
        form.password.insert_exact("secret");
        form.repeated.insert_exact("secret");
        form
    }

    #[test]
    fn a_password_is_never_shown() {
        let form = filled(true);
        assert_eq!(form.shown(Field::Password), ("••••••".to_owned(), 6));
        assert_eq!(form.shown(Field::Repeated).0, "••••••");
        let effect = filled(false).submit().expect("complete");
        assert!(!format!("{effect:?}").contains("secret"));
    }

    #[test]
    fn an_incomplete_form_says_what_is_missing() {
        let mut form = SignInForm::new(None, None);
        assert_eq!(form.submit(), None);
        assert_eq!(form.problems.len(), 2);
        let mut form = filled(true);
        form.repeated.insert("x");
        assert_eq!(form.submit(), None);
        assert_eq!(form.problems, ["The two passwords differ."]);
    }

    #[test]
    fn a_form_is_sent_once() {
        let mut form = filled(false);
        assert!(form.submit().is_some());
        assert_eq!(form.submit(), None);
    }

    #[test]
    fn an_invitation_opens_the_other_form() {
        let form = filled(true);
        assert!(form.registering && form.fields().contains(&Field::Invitation));
        assert_eq!(form.field(), Field::DisplayName);
    }
}
