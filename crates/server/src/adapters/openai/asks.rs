//! What OpenAI's callers may ask for, read from the fields of a form.

use hansard_domain::job::TranscribeOptions;
use hansard_domain::transcript::Task;

use utoipa::ToSchema;
use utoipa::openapi::schema::Object;

use super::answers::Format;
use crate::api::asks;
use crate::fields::Fields;
use crate::openapi::names;
use crate::problem::Problem;

/// Fields with one value. Everything else that a form holds, documented or not, is tolerated.
const KNOWN: [&str; 6] =
    ["model", "language", "prompt", "response_format", "temperature", "stream"];

/// Names under which granularities come, with and without the sign of a list.
const GRANULARITIES: [&str; 2] = ["timestamp_granularities[]", "timestamp_granularities"];

const FORMATS: [&str; 5] = ["json", "text", "srt", "verbose_json", "vtt"];

/// The form of a transcription as OpenAI documents it; other fields are tolerated.
#[derive(ToSchema)]
#[schema(as = OpenAiTranscriptionForm)]
#[expect(dead_code, reason = "described, never built")]
pub(super) struct TranscriptionForm {
    /// ISO 639 code of the language that is spoken; found out if it is left out.
    language: Option<String>,
    /// What `verbose_json` lists: `segment`, `word` or both.
    #[serde(rename = "timestamp_granularities[]")]
    granularities: Option<Vec<String>>,
    #[schema(inline)]
    #[serde(flatten)]
    form: TranslationForm,
}

/// The form of a translation as OpenAI documents it; other fields are tolerated.
#[derive(ToSchema)]
#[schema(as = OpenAiTranslationForm)]
#[expect(dead_code, reason = "described, never built")]
pub(super) struct TranslationForm {
    /// The audio or video.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// The model; `whisper-1` is the configured one.
    #[schema(example = "whisper-1")]
    model: String,
    /// Text that primes the model's vocabulary and style.
    prompt: Option<String>,
    /// The form of the answer.
    #[schema(schema_with = formats_schema, required = false)]
    response_format: String,
    /// The only sampling temperature; at 0 the engine goes its own ladder.
    #[schema(minimum = 0, maximum = 1)]
    temperature: Option<f32>,
    /// Send the text as it comes about, as server-sent events.
    stream: Option<bool>,
}

fn formats_schema() -> Object {
    names::one_of(FORMATS.into_iter())
}

/// What a caller asks for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    /// The model by the caller's name for it; the job's option is not set yet.
    pub(super) model: String,
    pub(super) options: TranscribeOptions,
    pub(super) format: Format,
    /// Whether the text is to be sent as it comes about.
    pub(super) stream: bool,
}

impl Asked {
    /// What defines the work, as one text: equal requests have equal texts, whatever release reads them. The form of the
    /// answer is no part of it, but for the words that it needs.
    pub(super) fn canonical(&self) -> String {
        let TranscribeOptions { language, task, model, prompt, words, temperature, .. } =
            &self.options;
        serde_json::json!([language, task.name(), model, prompt, words, temperature]).to_string()
    }
}

/// Reads the `fields` of a form that asks for `task`.
///
/// # Errors
/// All fields that cannot be as they are, in one problem.
pub(super) fn read(fields: &[(String, String)], task: Task) -> Result<Asked, Problem> {
    let known = KNOWN.into_iter().filter_map(|name| {
        let (name, text) = fields.iter().find(|(given, _)| given == name)?;
        let text = if name == "prompt" { end_of(text) } else { text };
        Some((name.clone(), text.to_owned()))
    });
    let mut form = Fields::of_form(known);
    let granularities = granularities(fields, &mut form);
    let model = form.text("model", asks::NAME_MAX);
    if model.is_none() {
        form.refuse("model", "needed; whisper-1 is the configured one");
    }
    // Translations are into English, and take no language.
    let language = match task {
        Task::Transcribe => asks::language(&mut form),
        Task::Translate => form.take("language").and(None),
    };
    let format = form.choice("response_format", &FORMATS, |name| name).unwrap_or("json");
    let format = match format {
        "text" => Format::Text,
        "srt" => Format::Srt,
        "vtt" => Format::Vtt,
        "verbose_json" => granularities,
        _ => Format::Json,
    };
    let stream = form.flag("stream");
    if stream && !matches!(format, Format::Json | Format::Text) {
        form.refuse(
            "stream",
            "a stream brings the text alone; its response_format is json or text",
        );
    }
    let options = TranscribeOptions {
        language,
        task,
        model: None,
        prompt: form.text("prompt", asks::PROMPT_MAX),
        words: matches!(format, Format::Verbose { words: true, .. }),
        channels_apart: false,
        // As documented, 0 leaves the choice to the engine, which begins there.
        temperature: form
            .number("temperature", 0.0, 1.0)
            .filter(|number| *number > 0.0)
            .map(|number| number as f32),
    };
    form.finish()?;
    Ok(Asked { model: model.unwrap_or_default(), options, format, stream })
}

/// What a verbose answer lists: segments, unless the caller says what.
fn granularities(fields: &[(String, String)], form: &mut Fields) -> Format {
    let (mut segments, mut words) = (false, false);
    let given = fields.iter().filter(|(name, _)| GRANULARITIES.contains(&name.as_str()));
    // Some clients send a list as one text.
    for name in given.flat_map(|(_, text)| text.split(|c: char| !c.is_ascii_alphabetic())) {
        match name {
            "" => {}
            "segment" => segments = true,
            "word" => words = true,
            _ => form.refuse("timestamp_granularities", "expected word, segment or both"),
        }
    }
    Format::Verbose { segments: segments || !words, words }
}

/// The end of a prompt, which is what models look at.
fn end_of(prompt: &str) -> &str {
    let from = prompt.char_indices().rev().nth(asks::PROMPT_MAX - 1).map_or(0, |(at, _)| at);
    &prompt[from..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(fields: &[(&str, &str)]) -> Result<Asked, Problem> {
        let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        let mut fields: Vec<_> = fields.iter().map(owned).collect();
        if !fields.iter().any(|(name, _)| name == "model") {
            fields.push(owned(&("model", "whisper-1")));
        }
        read(&fields, Task::Transcribe)
    }

    fn wrong_field(fields: &[(&str, &str)]) -> String {
        asked(fields).unwrap_err().field_problems()[0].pointer.clone()
    }

    #[test]
    fn a_model_is_all_that_is_needed() {
        let expected = Asked {
            model: "whisper-1".to_owned(),
            options: TranscribeOptions::default(),
            format: Format::Json,
            stream: false,
        };

        assert_eq!(asked(&[]).unwrap(), expected);
        assert_eq!(wrong_field(&[("model", "")]), "/model");
    }

    #[test]
    fn every_documented_field_is_understood_or_tolerated() {
        let fields = [
            ("model", "small"),
            ("language", "pt"),
            ("prompt", "Ordem"),
            ("response_format", "verbose_json"),
            ("temperature", "0.4"),
            ("timestamp_granularities[]", "word"),
            ("timestamp_granularities[]", "segment"),
            ("stream", "false"),
            ("include[]", "logprobs"),
            ("chunking_strategy", "auto"),
            ("chunking_strategy[type]", "server_vad"),
            ("flavour", "vanilla"),
        ];

        let asked = asked(&fields).unwrap();

        assert_eq!(asked.model, "small");
        assert_eq!(asked.format, Format::Verbose { segments: true, words: true });
        let expected = TranscribeOptions {
            language: Some("pt".to_owned()),
            prompt: Some("Ordem".to_owned()),
            words: true,
            temperature: Some(0.4),
            ..TranscribeOptions::default()
        };
        assert_eq!(asked.options, expected);
    }

    #[test]
    fn granularities_come_in_many_forms_and_matter_to_verbose_answers_only() {
        let of = |name, text| {
            let asked = asked(&[("response_format", "verbose_json"), (name, text)]).unwrap();
            asked.format
        };

        assert_eq!(of("seed", "1"), Format::Verbose { segments: true, words: false });
        for text in ["word", "[\"word\"]", " word "] {
            let words_only = Format::Verbose { segments: false, words: true };
            assert_eq!(of("timestamp_granularities", text), words_only);
        }
        let both = Format::Verbose { segments: true, words: true };
        assert_eq!(of("timestamp_granularities[]", "word,segment"), both);
        let plain = asked(&[("timestamp_granularities[]", "word")]).unwrap();
        assert!(plain.format == Format::Json && !plain.options.words);
    }

    #[test]
    fn temperature_0_is_the_engines_own_choice() {
        assert_eq!(asked(&[("temperature", "0")]).unwrap().options.temperature, None);
        assert_eq!(asked(&[("temperature", "0.0")]).unwrap().options.temperature, None);
    }

    #[test]
    fn what_cannot_be_done_is_refused_by_field() {
        assert_eq!(wrong_field(&[("language", "klingon")]), "/language");
        assert_eq!(wrong_field(&[("temperature", "1.5")]), "/temperature");
        assert_eq!(wrong_field(&[("response_format", "diarized_json")]), "/response_format");
        assert_eq!(
            wrong_field(&[("timestamp_granularities[]", "page")]),
            "/timestamp_granularities"
        );
        assert_eq!(wrong_field(&[("stream", "true"), ("response_format", "srt")]), "/stream");
    }

    #[test]
    fn of_a_long_prompt_the_end_counts() {
        let long = format!("{}{}", "ä".repeat(asks::PROMPT_MAX), "end");

        let prompt = asked(&[("prompt", &long)]).unwrap().options.prompt.unwrap();

        assert_eq!(prompt.chars().count(), asks::PROMPT_MAX);
        assert!(prompt.ends_with("äend"));
    }

    #[test]
    fn a_translation_takes_no_language() {
        let fields =
            [("model".to_owned(), "m".to_owned()), ("language".to_owned(), "xx".to_owned())];

        assert_eq!(read(&fields, Task::Translate).unwrap().options.language, None);
    }
}
