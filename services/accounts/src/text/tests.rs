//! Names by the texts that are one, several, or none.

use proptest::prelude::*;

use super::*;

fn user_name(text: &str) -> UserName {
    UserName::parse(text).expect(text)
}

#[test]
fn names_that_differ_in_case_width_or_composition_are_one_name() {
    for (one, other) in [
        ("Ada", "ADA"),
        ("Straße", "STRASSE"),
        ("Ｍａｘ", "max"),
        ("Zoe\u{308}", "ZOË"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("ﬁona", "FIONA"),
    ] {
        assert_eq!(
            user_name(one).folded(),
            user_name(other).folded(),
            "{one} {other}"
        );
    }
}

#[test]
fn a_user_name_keeps_the_case_in_which_it_was_chosen() {
    assert_eq!(user_name("Ada.Lovelace").as_str(), "Ada.Lovelace");
}

#[test]
fn user_names_of_any_one_script_are_taken() {
    let long = "x".repeat(64);
    for text in [
        "a",
        "7",
        "a.b-c_d",
        "ada.lovelace",
        "Ада",
        "山田太郎",
        "やまだ太郎",
        "हिन्दी",
        "מיכאל",
        "김철수",
        "user2",
        &long,
    ] {
        assert_eq!(user_name(text).as_str(), text);
    }
}

#[test]
fn anything_else_is_not_a_user_name() {
    let long = "x".repeat(65);
    // One code point that NFKC turns into eighteen characters: four of them are over the limit.
    let growing = "\u{fdfa}".repeat(4);
    let huge = "x".repeat(TEXT_BYTES_MAX + 1);
    for text in [
        "",
        " ",
        "a b",
        " ada",
        "ada ",
        ".ada",
        "ada.",
        "a..b",
        "a.-b",
        "_",
        "ada@example.org",
        "a/b",
        "a\u{0}b",
        "a\u{200b}b",
        "a\u{202e}b",
        "раypal",
        "аdmin",
        "😀",
        "a\nb",
        "\u{301}a",
        &long,
        &growing,
        &huge,
    ] {
        assert!(UserName::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_display_name_is_one_visible_line() {
    for text in [
        "Ada",
        "Ada Lovelace",
        "  Ada  ",
        "Ада & Co. 🚀",
        "O'Neill-Ödön",
    ] {
        assert!(DisplayName::parse(text).is_ok(), "{text:?}");
    }
    let long = "x".repeat(65);
    for text in [
        "",
        "   ",
        "\u{200b}\u{3164}",
        "a\nb",
        "a\u{7}b",
        "a\u{202e}b",
        "a\u{2028}b",
        &long,
    ] {
        assert!(DisplayName::parse(text).is_err(), "{text:?}");
    }
    let padded = DisplayName::parse(" Zoe\u{308} ").expect("a name");
    assert_eq!(padded.into_string(), "Zoë");
}

#[test]
fn a_label_may_be_empty_and_has_a_bound() {
    assert_eq!(DeviceLabel::parse("").expect("empty").into_string(), "");
    assert!(DeviceLabel::parse(&"x".repeat(65)).is_err());
    assert!(Note::parse(&"x".repeat(200)).is_ok());
    assert!(Note::parse(&"x".repeat(201)).is_err());
}

proptest! {
    #[test]
    fn folding_twice_is_folding_once(text in "\\PC{0,80}") {
        prop_assert_eq!(fold(&fold(&text)), fold(&text));
    }

    #[test]
    fn a_name_reads_back_and_fits_a_key(text in "[a-zA-Zà-ÿÀ-ßŉﬀ-ﬆẞ0-9]{1,64}|[α-ωΑ-Ωΐὖ]{1,64}") {
        if let Ok(name) = UserName::parse(&text) {
            prop_assert!(name.folded().len() <= NAME_KEY_BYTES_MAX);
            prop_assert_eq!(fold(name.as_str()), name.folded());
            prop_assert_eq!(UserName::parse(name.as_str()).expect("its own text is a name"), name);
        }
    }
}
