use super::*;

#[test]
fn a_text_is_split_into_title_pages_and_credits() {
    let parts = parse_text(
        "# A tall man\r\nBy the sea\r\n\r\n##\r\nOne.\r\n\r\nTwo.\r\n\r\n##\r\n* License: [CC-BY]\r\n* Text: A B, C D\r\n* Illustration: E <F>\r\n* Language: en\r\n",
    );
    assert_eq!(parts.title.as_deref(), Some("A tall man By the sea"));
    assert_eq!(parts.pages, [(4, "One.\n\nTwo.".to_owned())]);
    assert_eq!(parts.credits_line, 9);
    let problems = Problems::default();
    let credits = credits(&parts.credits, "en", "f", 9, &problems);
    assert_eq!(
        (credits.license.as_str(), credits.authors.as_slice()),
        ("CC-BY-4.0", &["A B".to_owned(), "C D".to_owned()][..])
    );
    assert!(credits.html.contains("<li>Illustration: E &lt;F&gt;</li>"), "{}", credits.html);
    assert!(
        credits.html.contains("href=\"https://creativecommons.org/licenses/by/4.0/\""),
        "{}",
        credits.html
    );
    assert!(!problems.has_errors());
}

#[test]
fn language_codes_are_converted_to_tags() {
    for (code, tag) in [
        ("en", "en"),
        ("ha-ne", "ha-NE"),
        ("tw-akua", "tw-x-akua"),
        ("lgg-official", "lgg-x-official"),
        ("zh-hant", "zh-Hant"),
        ("es-419", "es-419"),
    ] {
        assert_eq!(language_tag(code), tag);
    }
    assert_eq!(Dir::of_language("ar"), Dir::Rtl);
}
