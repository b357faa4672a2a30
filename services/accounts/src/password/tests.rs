//! Each rule by the passwords on both sides of it.

use proptest::prelude::*;

use super::*;
use BrokenRule::*;

fn password(text: &str) -> Password {
    Password::parse(text.to_owned()).expect("a password")
}

fn broken(policy: PasswordPolicy, text: &str) -> Vec<BrokenRule> {
    let name = UserName::parse("ada.lovelace").expect("a name");
    policy.broken_rules(&password(text), Some(&name))
}

fn composed(text: &str) -> Vec<BrokenRule> {
    broken(PasswordPolicy::Composed, text)
}

fn nist(text: &str) -> Vec<BrokenRule> {
    broken(PasswordPolicy::Nist, text)
}

#[test]
fn good_passwords_are_taken() {
    for text in [
        "Tr4vel light, friends",
        "kX9#mQ2$vL7@pR4",
        "Zwölf Boxkämpfer + 1 Sylter Deich",
        "Пять звёзд на 7 утёсах!",
        "correct Horse battery-staple 9",
    ] {
        assert_eq!(composed(text), [], "{text}");
        assert_eq!(nist(text), [], "{text}");
    }
}

#[test]
fn every_broken_rule_is_told_at_once() {
    assert_eq!(
        composed("aaaa"),
        [
            TooShort,
            NoUpperCase,
            NoDigit,
            NoSpecial,
            RepeatsInARow,
            RepeatsTooOften,
            Common
        ]
    );
    assert_eq!(
        composed("ADA.LOVELACE"),
        [TooShort, NoLowerCase, NoDigit, SaysUserName]
    );
    assert_eq!(
        composed("mypassword"),
        [
            TooShort,
            NoUpperCase,
            NoDigit,
            NoSpecial,
            SaysPassword,
            Common
        ]
    );
}

#[test]
fn length_counts_characters_and_not_bytes() {
    assert_eq!(
        nist("ÄÖÜäöüßÇÉÈçéèñ"),
        [TooShort],
        "14 characters, 28 bytes"
    );
    assert_eq!(nist("žluťoučký kůň!x"), []);
    // Composed first: an A with its ring is one character, however it was typed.
    assert_eq!(nist("a\u{30a}bcdefghijklmn"), [TooShort]);
    let longest = "äbcdefgh".repeat(16);
    assert_eq!(longest.chars().count(), PASSWORD_CHARS_MAX);
    assert!(Password::parse(longest.clone()).is_ok());
    assert_eq!(
        Password::parse(longest + "x").err(),
        Some(NotAPassword::TooLong)
    );
    assert_eq!(
        Password::parse("x".repeat(PASSWORD_BYTES_MAX + 1)).err(),
        Some(NotAPassword::TooLong)
    );
    assert_eq!(
        Password::parse(String::new()).err(),
        Some(NotAPassword::Empty)
    );
}

#[test]
fn each_kind_of_character_is_asked_for() {
    assert_eq!(composed("tr4vel light, friends"), [NoUpperCase]);
    assert_eq!(composed("TR4VEL LIGHT, FRIENDS"), [NoLowerCase]);
    assert_eq!(composed("Travel light, friends"), [NoDigit]);
    assert_eq!(composed("Tr4velLightMyFriends"), [NoSpecial]);
    assert_eq!(nist("travellightmyfriends"), []);
}

#[test]
fn the_user_name_may_not_be_in_it() {
    for text in [
        "x7#ada.lovelace#K9x",
        "x7#ADA.Lovelace#K9x",
        "x7#ecalevol.ada#K9x",
        "x7#AdaLovelace#K9xx",
        "x7#ecalevolada#K9xx",
    ] {
        assert_eq!(composed(text), [SaysUserName], "{text}");
    }
    assert_eq!(
        nist("x7#ada.lovelace#K9x"),
        [],
        "whole passwords alone are compared"
    );
    let long = UserName::parse("the.countess.of.lovelace").expect("a name");
    for text in ["The.Countess.Of.Lovelace", "ecalevol.fo.ssetnuoc.eht"] {
        let broken = PasswordPolicy::Nist.broken_rules(&password(text), Some(&long));
        assert_eq!(broken, [SaysUserName], "{text}");
    }
}

#[test]
fn a_short_user_name_is_no_rule_about_letters() {
    let name = UserName::parse("li").expect("a name");
    let broken =
        PasswordPolicy::Composed.broken_rules(&password("Tr4vel light, friends"), Some(&name));
    assert_eq!(broken, []);
}

#[test]
fn the_word_password_may_not_be_in_it() {
    for text in [
        "My PassWord is 7 miles",
        "xpasswordx, 17 Miles",
        "ＰＡＳＳＷＯＲＤ is 7 miles",
    ] {
        assert_eq!(composed(text), [SaysPassword], "{text}");
    }
}

#[test]
fn repetition_is_limited() {
    assert_eq!(composed("Tr4vel---light, friends"), []);
    assert_eq!(composed("Tr4vel----light, friends"), [RepeatsInARow]);
    // 5 of 15 are a third, 6 of 15 are more.
    assert_eq!(composed("xA1-xB2-xC3-xx4"), []);
    assert_eq!(composed("xA1-xB2-xC3xxx4"), [RepeatsTooOften]);
}

#[test]
fn common_passwords_are_found_under_their_decoration() {
    for text in [
        "Sunshine2024!!!",
        "!!!Sunshine2024",
        "31.12.24 Dragon",
        "Administrator1!",
        "$uperm@n!2345678",
        "B4seb4ll!!!Mm77",
        "Qwertyuiop123!?",
        "SunshineDragon1!",
        "MonkeyMonkey12!",
        "1qaz2wsx3edc4rfV!",
    ] {
        let found = composed(text).contains(&Common);
        assert_eq!(found, text != "B4seb4ll!!!Mm77", "{text}");
    }
    assert_eq!(
        composed("Sunshine-4-ever-in-May"),
        [],
        "one common word in a phrase is fine"
    );
    assert_eq!(
        composed("Dragon-83749201938!"),
        [],
        "eleven digits have chance of their own"
    );
}

#[test]
fn the_blocklist_of_nist_compares_whole_passwords() {
    for text in [
        "123456789987654321",
        "PasswordPassword",
        "sunshine dragon",
        "abcabcabcabcabc",
        "qazwsxedcrfvtgb",
    ] {
        let common = nist(text).contains(&Common);
        assert_eq!(common, text != "sunshine dragon", "{text}");
    }
}

#[test]
fn a_rule_is_a_sentence_for_people() {
    assert_eq!(TooShort.to_string(), "use at least 15 characters");
    assert_eq!(SaysPassword.to_string(), "leave out the word \"password\"");
}

#[test]
fn a_password_does_not_print() {
    let shown = format!("{:?}", password("Tr4vel light, friends"));
    assert!(!shown.contains("Tr4vel"), "{shown}");
}

#[test]
fn a_chosen_password_has_kept_the_rules() {
    let name = UserName::parse("ada").expect("a name");
    let chosen = |text| NewPassword::choose(password(text), PasswordPolicy::Composed, &name);
    assert_eq!(
        chosen("ada").err(),
        Some(vec![
            TooShort,
            NoUpperCase,
            NoDigit,
            NoSpecial,
            SaysUserName,
            RepeatsTooOften
        ])
    );
    let good = chosen("Tr4vel light, friends").expect("a good one");
    assert!(
        good.password()
            .is_same_as(&password("Tr4vel light, friends"))
    );
}

proptest! {
    #[test]
    fn any_text_gets_an_answer(text in "\\PC{1,140}") {
        if let Ok(password) = Password::parse(text) {
            let name = UserName::parse("ada").expect("a name");
            for policy in [PasswordPolicy::Composed, PasswordPolicy::Nist] {
                let broken = policy.broken_rules(&password, Some(&name));
                prop_assert!(broken.is_sorted_by(|a, b| a < b), "each rule once, in order: {broken:?}");
            }
        }
    }

    // 15 characters out of 94 by chance: what a password manager makes.
    #[test]
    fn chance_is_never_common(text in "[!-~]{15,40}") {
        let password = Password::parse(text).expect("a password");
        prop_assert!(!PasswordPolicy::Composed.broken_rules(&password, None).contains(&Common));
    }
}
