//! What viewers see, and that no transcript can break the rules.

use proptest::prelude::*;

use super::*;
use crate::transcript::Word;

fn segment(start: f64, end: f64, text: &str) -> Segment {
    Segment {
        start,
        end,
        text: text.to_owned(),
        tokens: Vec::new(),
        temperature: 0.0,
        average_log_probability: 0.0,
        compression_ratio: 1.0,
        no_speech_probability: 0.0,
        words: Vec::new(),
        suspicions: Vec::new(),
    }
}

/// A segment whose words have the times given.
fn timed(words: &[(f64, f64, &str)]) -> Segment {
    let text: String = words.iter().map(|(_, _, text)| *text).collect();
    let (first, last) = (words.first().expect("a word"), words.last().expect("a word"));
    Segment {
        words: words
            .iter()
            .map(|(start, end, text)| Word {
                start: *start,
                end: *end,
                text: (*text).to_owned(),
                probability: 1.0,
            })
            .collect(),
        ..segment(first.0, last.1, &text)
    }
}

fn shown(segments: &[Segment]) -> Vec<(u64, u64, String)> {
    cues(segments, &Limits::default())
        .into_iter()
        .map(|cue| (cue.start_ms, cue.end_ms, cue.lines.join("|")))
        .collect()
}

#[test]
fn a_short_sentence_is_one_cue_on_one_line() {
    let cues = shown(&[segment(1.0, 3.0, " The river is high.")]);
    assert_eq!(cues, [(1000, 3000, "The river is high.".to_owned())]);
}

#[test]
fn two_lines_are_about_as_long_as_each_other() {
    let cues =
        shown(&[segment(0.0, 4.0, " She walked along the river to the old house at the end")]);
    assert_eq!(cues[0].2, "She walked along the river|to the old house at the end");
}

#[test]
fn lines_rather_break_after_a_comma() {
    let cues =
        shown(&[segment(0.0, 4.0, " When winter came at last, she walked back to the house")]);
    assert_eq!(cues[0].2, "When winter came at last,|she walked back to the house");
}

#[test]
fn long_text_is_cut_at_the_end_of_a_sentence() {
    let first = "The speaker put the question to the house before noon.";
    let second = "The reply came from the garden, late and without a word of thanks.";
    let cues = shown(&[segment(0.0, 8.0, &format!(" {first} {second}"))]);
    assert_eq!(cues.len(), 2);
    assert_eq!(cues[0].2.replace('|', " "), first);
    assert_eq!(cues[1].2.replace('|', " "), second);
    // 54 of 119 characters, spaces not counted: 45 of 99.
    assert_eq!(cues[1].0, 3636);
    assert_eq!(cues[0].1, 3636);
}

#[test]
fn without_a_sentence_end_it_is_cut_at_a_clause() {
    let text = " The speaker put the question to the whole house before noon, and the reply came \
                from the garden after a long time";
    let cues = shown(&[segment(0.0, 8.0, text)]);
    assert_eq!(cues.len(), 2);
    assert!(cues[0].2.ends_with("noon,"), "{cues:?}");
}

#[test]
fn words_with_times_decide_when_a_cue_begins() {
    let cues = shown(&[timed(&[
        (0.5, 0.9, " Yes."),
        (0.9, 1.4, " I"),
        (1.4, 2.0, " know."),
        (5.0, 5.5, " Do"),
        (5.5, 6.5, " you?"),
    ])]);
    // Three seconds of silence part them although they would fit together.
    assert_eq!(cues, [(500, 2000, "Yes. I know.".to_owned()), (5000, 6500, "Do you?".to_owned())]);
}

#[test]
fn words_that_are_not_the_text_are_not_trusted() {
    let mut segment = timed(&[(0.0, 1.0, " One"), (1.0, 2.0, " two")]);
    segment.text = " One two three".to_owned();
    assert_eq!(shown(&[segment])[0].2, "One two three");
}

#[test]
fn a_quick_answer_stays_on_screen_for_a_second() {
    let cues = shown(&[segment(1.0, 1.2, " Yes."), segment(10.0, 12.0, " And so it went on.")]);
    assert_eq!((cues[0].0, cues[0].1), (1000, 2000));
}

#[test]
fn fast_speech_stays_on_into_the_silence_but_not_over_the_next_cue() {
    let fast = " Forty characters said in one second, ok"; // 39 characters take 1.95 s
    let alone = shown(&[segment(0.0, 1.0, fast)]);
    assert_eq!(alone[0].1, 1950);
    let followed = shown(&[segment(0.0, 1.0, fast), segment(1.5, 4.0, " Then comes more of it.")]);
    assert_eq!(followed[0].1, 1500);
}

#[test]
fn nothing_stays_longer_than_six_seconds() {
    assert_eq!(shown(&[segment(0.0, 20.0, " Well.")])[0].1, 6000);
}

#[test]
fn answers_too_quick_to_read_share_a_cue() {
    let cues = shown(&[segment(0.0, 0.4, " Yes."), segment(0.4, 2.4, " No, not today.")]);
    assert_eq!(cues, [(0, 2400, "Yes. No, not today.".to_owned())]);
}

#[test]
fn segments_otherwise_keep_their_own_cues() {
    let cues = shown(&[segment(0.0, 2.0, " The first."), segment(2.0, 4.0, " The second.")]);
    assert_eq!(cues.len(), 2);
}

#[test]
fn overlapping_segments_give_cues_that_do_not() {
    let cues = shown(&[segment(0.0, 5.0, " One speaks."), segment(3.0, 6.0, " Another does.")]);
    assert_eq!((cues[0].1, cues[1].0), (3000, 3000));
}

#[test]
fn chinese_and_japanese_break_between_characters_but_not_before_a_full_stop() {
    let limits = Limits::for_language(Some("ja"));
    assert_eq!(limits.line_width, COMPLEX_LINE_WIDTH);
    let text = "今日は天気がとても良いので、私たちは川のそばの古い家まで歩いて行きました。";
    let cues = cues(&[segment(0.0, 5.0, text)], &limits);
    assert_eq!(cues.len(), 1);
    assert_eq!(cues[0].lines.concat(), text);
    assert_eq!(cues[0].lines.len(), 2);
    assert!(cues[0].lines.iter().all(|line| !line.starts_with(['。', '、'])));
}

#[test]
fn a_word_longer_than_a_line_is_cut_and_not_lost() {
    let word = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft";
    let cues = shown(&[segment(0.0, 5.0, word)]);
    assert_eq!(cues[0].2.replace('|', ""), word);
    assert!(cues[0].2.split('|').all(|line| width(line) <= LINE_WIDTH));
}

#[test]
fn pieces_of_a_word_stay_together() {
    let cues = shown(&[timed(&[(0.0, 0.5, " don"), (0.5, 1.0, "'t"), (1.0, 2.0, " go")])]);
    assert_eq!(cues[0].2, "don't go");
}

#[test]
fn wider_lines_do_not_wrap() {
    let limits = Limits { line_width: 1000, lines: 1, ..Limits::default() };
    let text = "A sentence that would need two lines if only forty-two characters were allowed";
    assert_eq!(cues(&[segment(0.0, 5.0, text)], &limits)[0].lines, [text]);
}

#[test]
fn times_are_rounded_once() {
    // 1.001 * 1000 is 1000.9999999999999 in binary floating point.
    assert_eq!(milliseconds(1.001), 1001);
    assert_eq!(milliseconds(3599.9996), 3_600_000);
    assert_eq!(milliseconds(-0.2), 0);
    assert_eq!(milliseconds(f64::NAN), 0);
    let cues = cues(&[segment(3599.9996, 3602.0, "x")], &Limits::default());
    assert!(srt(&cues).contains("01:00:00,000 --> 01:00:02,000"));
}

#[test]
fn subrip_counts_from_one_and_parts_cues_by_a_blank_line() {
    let cues = cues(
        &[segment(0.0, 2.0, " One & <two>."), segment(3.0, 5.5, " Three -->--> four.")],
        &Limits::default(),
    );
    assert_eq!(
        srt(&cues),
        "1\n00:00:00,000 --> 00:00:02,000\nOne & <two>.\n\n\
         2\n00:00:03,000 --> 00:00:05,500\nThree ->-> four.\n\n"
    );
    assert_eq!(srt(&[]), "");
}

#[test]
fn webvtt_has_its_header_always_and_escapes_markup() {
    assert_eq!(vtt(&[]), "WEBVTT\n\n");
    let cues = cues(&[segment(0.0, 2.0, " One & <two> ---> three.")], &Limits::default());
    assert_eq!(
        vtt(&cues),
        "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\nOne &amp; &lt;two> -> three.\n\n"
    );
}

/// Words of several scripts, some of them with punctuation, some far too long.
fn any_word() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[a-z]{1,12}[.,?]?",
        1 => "[一-鿿ぁ-ん]{1,20}。?",
        1 => "[ก-๙]{1,60}",
        1 => "[a-z]{40,120}",
        1 => "\\PC{1,8}",
    ]
}

/// Segments with or without word times, which may overlap, stand still or run backwards.
fn any_segments() -> impl Strategy<Value = Vec<Segment>> {
    let word = (any_word(), 0.0..2.0_f64, any::<bool>());
    let segment = (prop::collection::vec(word, 0..40), -1.0..3.0_f64, any::<bool>());
    prop::collection::vec(segment, 0..6).prop_map(|segments| {
        let mut now = 0.0;
        segments
            .into_iter()
            .map(|(words, gap, has_times)| {
                let start = f64::max(now + gap, 0.0);
                now = start;
                let words: Vec<Word> = words
                    .into_iter()
                    .map(|(text, length, spaced)| {
                        let start = now;
                        now += if length < 0.2 { 0.0 } else { length };
                        let text = if spaced { format!(" {text}") } else { text };
                        Word { start, end: now, text, probability: 1.0 }
                    })
                    .collect();
                let text: String = words.iter().map(|word| word.text.as_str()).collect();
                let words = if has_times { words } else { Vec::new() };
                Segment { words, ..segment_of(start, now, text) }
            })
            .collect()
    })
}

fn segment_of(start: f64, end: f64, text: String) -> Segment {
    Segment { text, ..segment(start, end, "") }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_transcript_breaks_the_rules(
        segments in any_segments(),
        line_width in 1_usize..60,
        lines in 1_usize..4,
    ) {
        let limits = Limits { line_width, lines, ..Limits::default() };
        let cues = cues(&segments, &limits);
        for cue in &cues {
            prop_assert!(cue.start_ms < cue.end_ms);
            prop_assert!(cue.end_ms - cue.start_ms <= limits.max_ms);
            prop_assert!((1..=lines).contains(&cue.lines.len()));
            for line in &cue.lines {
                prop_assert!(!line.trim().is_empty());
                prop_assert!(line.chars().count() <= line_width);
            }
        }
        for pair in cues.windows(2) {
            prop_assert!(pair[0].end_ms <= pair[1].start_ms);
        }
        let letters = |text: &str| text.split_whitespace().collect::<String>();
        let shown: String = cues.iter().flat_map(|cue| &cue.lines).map(|line| letters(line)).collect();
        let said: String = segments.iter().map(|segment| letters(&segment.text)).collect();
        prop_assert_eq!(shown, said);
    }

    #[test]
    fn a_cue_is_short_only_when_the_next_one_follows(segments in any_segments()) {
        let limits = Limits::default();
        let cues = cues(&segments, &limits);
        for (index, cue) in cues.iter().enumerate() {
            let next = cues.get(index + 1).map_or(u64::MAX, |cue| cue.start_ms);
            let long_enough = cue.end_ms - cue.start_ms >= limits.min_ms;
            prop_assert!(long_enough || cue.end_ms == next);
        }
    }

    #[test]
    fn files_have_one_arrow_for_each_cue(segments in any_segments()) {
        let cues = cues(&segments, &Limits::default());
        prop_assert_eq!(vtt(&cues).matches("-->").count(), cues.len());
        prop_assert_eq!(srt(&cues).matches("-->").count(), cues.len());
    }
}
