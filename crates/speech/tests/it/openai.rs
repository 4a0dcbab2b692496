//! The engine that asks a service, and services that misbehave.

use std::time::Duration;

use hansard_domain::transcript::{Task, Transcript};
use hansard_media::Pcm;
use hansard_speech::openai::{Config, OpenAi};
use hansard_speech::{Cancel, Error, Options, Silent, Transcriber};

use crate::service::{Fault, KEY, Service};

/// A hundred seconds of sound without a pause.
fn recording() -> Pcm {
    let samples: Vec<f32> = (0..100 * 16_000).map(|at| (at as f32 * 0.01).sin() * 0.5).collect();
    Pcm::new("sound", samples)
}

/// One piece.
fn short() -> Pcm {
    Pcm::new("sound", vec![0.25; 5 * 16_000])
}

fn options() -> Options {
    Options { vad: false, word_timestamps: true, ..Options::default() }
}

fn hear(engine: &OpenAi, recording: &Pcm, options: &Options) -> Result<Transcript, Error> {
    engine.transcribe(recording, options, None, &Cancel::default(), &mut Silent)
}

fn answer(status: u16, body: &str) -> Fault {
    Fault::Answer(status, "", body.to_owned())
}

/// What an error shows, with its causes.
fn shown(error: &Error) -> String {
    let mut text = format!("{error:?} {error}");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[test]
fn a_long_recording_is_sent_piece_by_piece() {
    let service = Service::start();

    let transcript = hear(&service.engine(), &recording(), &options()).unwrap();

    let seen = service.seen();
    assert!(seen.len() >= 4, "{}", seen.len());
    assert_eq!(seen.iter().map(|seen| seen.samples).sum::<usize>(), 100 * 16_000);
    assert_eq!((transcript.model.as_str(), transcript.duration), ("openai/whisper-1", 100.0));
    assert_eq!(transcript.language.as_deref(), Some("en"));
    assert_eq!(transcript.segments[0].start, 0.0);
    assert_eq!(transcript.segments.last().unwrap().end, 100.0);
    assert!(transcript.segments.is_sorted_by(|one, two| one.end <= two.start));
    for segment in &transcript.segments {
        let words: String = segment.words.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(words, segment.text);
    }
}

#[test]
fn the_request_says_what_is_wanted() {
    let service = Service::start();
    let engine = service.engine();
    let asked = Options {
        language: Some("pt".to_owned()),
        initial_prompt: Some("Ata da sessão".to_owned()),
        temperatures: vec![0.4],
        ..options()
    };

    hear(&engine, &short(), &asked).unwrap();
    hear(&engine, &short(), &Options { task: Task::Translate, ..asked }).unwrap();

    let [transcribed, translated] = &service.seen()[..] else { panic!("two requests") };
    assert_eq!(transcribed.path, "/v1/audio/transcriptions");
    assert_eq!(transcribed.authorization.as_deref(), Some("Bearer sk-secret"));
    for (field, values) in [
        ("model", &["whisper-1"][..]),
        ("response_format", &["verbose_json"]),
        ("timestamp_granularities[]", &["segment", "word"]),
        ("language", &["pt"]),
        ("prompt", &["Ata da sessão"]),
        ("temperature", &["0.4"]),
    ] {
        assert_eq!(transcribed.field(field), values, "{field}");
    }
    // The API of translations knows neither language nor words.
    assert_eq!(translated.path, "/v1/audio/translations");
    assert_eq!(translated.field("language"), [""; 0]);
    assert_eq!(translated.field("timestamp_granularities[]"), [""; 0]);
}

#[test]
fn the_language_of_the_first_piece_is_that_of_the_others() {
    let service = Service::start();
    let options = Options { word_timestamps: false, ..options() };

    let transcript = hear(&service.engine(), &recording(), &options).unwrap();

    let seen = service.seen();
    assert_eq!(seen[0].field("language"), [""; 0]);
    assert!(seen[1..].iter().all(|seen| seen.field("language") == ["en"]));
    assert!(seen.iter().all(|seen| seen.field("timestamp_granularities[]") == ["segment"]));
    assert!(transcript.segments.iter().all(|segment| segment.words.is_empty()));
}

#[test]
fn no_request_is_larger_than_the_service_takes() {
    let service = Service::start();
    let config = Config { piece: Duration::from_secs(100_000), ..service.config() };
    let long = Pcm::new("sound", vec![0.25; 1500 * 16_000]);

    hear(&OpenAi::new(config).unwrap(), &long, &options()).unwrap();

    let seen = service.seen();
    assert!(seen.iter().all(|seen| seen.bytes < 25_000_000));
    assert_eq!(seen.iter().map(|seen| seen.samples).sum::<usize>(), 1500 * 16_000);
}

#[test]
fn what_may_pass_is_tried_again() {
    let busy = || Fault::Answer(429, "retry-after: 0\r\n", "{}".to_owned());
    for faults in
        [vec![busy(), busy()], vec![answer(500, "oops"), answer(503, "")], vec![Fault::Cut]]
    {
        let attempts = faults.len() + 1;
        let service = Service::start().next(faults);

        let transcript = hear(&service.engine(), &short(), &options()).unwrap();

        assert_eq!(transcript.segments.len(), 1);
        assert_eq!(service.seen().len(), attempts);
    }
}

#[test]
fn a_service_that_stays_busy_is_given_up_for_now() {
    for faults in [vec![answer(500, ""); 3], vec![answer(429, ""); 3], vec![Fault::Cut; 3]] {
        let service = Service::start().next(faults);

        let outcome = hear(&service.engine(), &short(), &options());

        assert!(matches!(outcome, Err(Error::Remote { passing: true, .. })), "{outcome:?}");
        assert_eq!(service.seen().len(), 3);
    }
}

#[test]
fn a_service_that_wants_to_be_left_alone_is() {
    for tomorrow in ["retry-after: 86400\r\n", "retry-after-ms: 86400000\r\n"] {
        let service = Service::start().next([Fault::Answer(429, tomorrow, String::new())]);

        let outcome = hear(&service.engine(), &short(), &options());

        let asked = Some(Duration::from_secs(86_400));
        assert!(
            matches!(&outcome, Err(Error::Remote { passing: true, retry_after, .. }) if *retry_after == asked),
            "{outcome:?}"
        );
        assert_eq!(service.seen().len(), 1);
    }
}

#[test]
fn a_silent_service_is_given_up_for_now() {
    let service = Service::start().next(vec![Fault::Hang; 3]);
    let config = Config { timeout: Duration::from_millis(50), ..service.config() };

    let outcome = hear(&OpenAi::new(config).unwrap(), &short(), &options());

    assert!(matches!(outcome, Err(Error::Remote { passing: true, .. })), "{outcome:?}");
}

#[test]
fn nobody_there_is_a_passing_failure() {
    // A port that is taken, but where nobody listens.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let base_url = format!("http://{}/v1", socket.local_addr().unwrap()).parse().unwrap();
    let config = Config { base_url, ..Service::start().config() };

    let outcome = hear(&OpenAi::new(config).unwrap(), &short(), &options());

    assert!(matches!(outcome, Err(Error::Remote { passing: true, .. })), "{outcome:?}");
}

#[test]
fn a_refusal_is_final_and_says_what_to_look_at() {
    let echo = format!(r#"{{"error": {{"message": "Incorrect API key provided: {KEY}"}}}}"#);
    let quota =
        r#"{"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}"#;
    let numbered = r#"{"error": {"message": "No", "code": 429, "type": "insufficient_quota"}}"#;
    for (status, body, hint) in [
        (429, numbered, "credit"),
        (401, echo.as_str(), "OPENAI_API_KEY"),
        (403, &echo, "OPENAI_API_KEY"),
        (404, &echo, "OPENAI_BASE_URL"),
        (302, "", "OPENAI_BASE_URL"),
        (413, "", "bytes"),
        (429, quota, "credit"),
        (418, "teapot", "418"),
    ] {
        let service = Service::start().next([answer(status, body)]);

        let error = hear(&service.engine(), &short(), &options()).unwrap_err();

        assert!(matches!(error, Error::Remote { passing: false, .. }), "{error:?}");
        assert!(shown(&error).contains(hint), "{error}");
        assert!(!shown(&error).contains(KEY), "{error}");
        assert_eq!(service.seen().len(), 1);
    }
}

#[test]
fn options_that_the_service_refuses_are_wrong_options() {
    let long = "x".repeat(10_000);
    let body = format!(
        r#"{{"error": {{"message": "verbose_json is\nnot supported {long}", "type": "invalid_request_error", "code": null}}}}"#
    );
    let service = Service::start().next([answer(400, &body)]);

    let error = hear(&service.engine(), &short(), &options()).unwrap_err();

    assert!(matches!(&error, Error::Options(_)), "{error:?}");
    let said = error.to_string();
    assert!(said.contains("verbose_json is not supported") && said.len() < 300, "{said}");
}

#[test]
fn an_answer_that_makes_no_sense_is_an_error() {
    for wrong in [
        "",
        "{}",
        "<html>Welcome</html>",
        "{\"text\": ",
        "{\"text\": \"a\", \"segments\": 7}",
        "{\"text\": \"a\", \"segments\": [{\"start\": NaN, \"end\": 1, \"text\": \"a\"}]}",
    ] {
        let service = Service::start().next([answer(200, wrong)]);

        let outcome = hear(&service.engine(), &short(), &options());

        assert!(matches!(outcome, Err(Error::Remote { passing: false, .. })), "{outcome:?}");
    }
}

#[test]
fn an_answer_without_end_is_an_error() {
    let service = Service::start().next([Fault::Endless]);

    let outcome = hear(&service.engine(), &short(), &options());

    assert!(matches!(outcome, Err(Error::Remote { passing: false, .. })), "{outcome:?}");
}

#[test]
fn a_request_under_way_is_cancelled() {
    let service = Service::start().next([Fault::Hang]);
    let cancel = Cancel::default();
    service.cancel_on_request(&cancel);

    let outcome = service.engine().transcribe(&short(), &options(), None, &cancel, &mut Silent);

    assert!(matches!(outcome, Err(Error::Cancelled)), "{outcome:?}");
}

#[test]
fn a_pause_between_attempts_is_cancelled() {
    let service = Service::start().next([Fault::Answer(429, "retry-after: 59\r\n", String::new())]);
    let cancel = Cancel::default();
    service.cancel_on_request(&cancel);

    let outcome = service.engine().transcribe(&short(), &options(), None, &cancel, &mut Silent);

    assert!(matches!(outcome, Err(Error::Cancelled)), "{outcome:?}");
    assert_eq!(service.seen().len(), 1);
}

#[test]
fn silence_is_not_sent() {
    let service = Service::start();
    let options = Options { vad: true, ..options() };
    let silence = Pcm::new("silence", vec![0.0; 60 * 16_000]);

    let transcript = hear(&service.engine(), &silence, &options).unwrap();

    assert_eq!((transcript.text().as_str(), transcript.duration), ("", 60.0));
    assert!(service.seen().is_empty());
}

#[test]
fn a_phrase_that_is_invented_into_noise_is_dropped() {
    let reply = r#"{"text": "Thank you.", "language": "english", "segments": [
        {"start": 0, "end": 2, "text": " Thank you.", "no_speech_prob": 0.9, "avg_logprob": -0.3},
        {"start": 2, "end": 4, "text": " The session is open.", "no_speech_prob": 0.1}]}"#;
    let service = Service::start().next([answer(200, reply)]);

    let transcript = hear(&service.engine(), &short(), &options()).unwrap();

    assert_eq!(transcript.text(), "The session is open.");
    assert_eq!(transcript.dropped.len(), 1);
}
