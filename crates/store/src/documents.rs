//! Documents: JSON in a column, each with the version of its schema.
//!
//! A version that is not known is refused, never guessed at. SQL never looks into a document, but for the migration
//! that adds up what was written before it.

use hansard_domain::job::TranscribeOptions;
use hansard_domain::source::{Callback, CallbackFormat, Source};
use hansard_domain::transcript::{Segment, Suspicion, Task, Word};
use ring::digest::{SHA256, digest};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::transcripts::Window;

/// A document with its version, as it is stored.
#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    v: u32,
    #[serde(flatten)]
    document: T,
}

/// The only version so far of every document here.
const VERSION: u32 = 1;

/// Something that is stored as a document.
pub(crate) trait Document: Sized {
    /// How it looks in JSON.
    type Form: Serialize + DeserializeOwned;

    fn form(&self) -> Self::Form;

    fn of_form(form: Self::Form) -> Result<Self, String>;
}

/// `value` as text for its column.
pub(crate) fn write<T: Document>(value: &T) -> String {
    let versioned = Versioned { v: VERSION, document: value.form() };
    serde_json::to_string(&versioned).expect("forms have text keys")
}

/// The value in a column of `table`'s row `id`.
pub(crate) fn read<T: Document>(table: &'static str, id: &str, text: &str) -> Result<T, Error> {
    let corrupt = |reason: String| Error::Corrupt { table, id: id.to_owned(), reason };
    let versioned: Versioned<T::Form> =
        serde_json::from_str(text).map_err(|error| corrupt(error.to_string()))?;
    if versioned.v != VERSION {
        return Err(corrupt(format!("its document has version {}", versioned.v)));
    }
    T::of_form(versioned.document).map_err(corrupt)
}

/// The same for equal options, and only for them: SHA-256 of their document, in hexadecimal digits.
pub(crate) fn options_hash(options: &TranscribeOptions) -> String {
    hex(digest(&SHA256, write(options).as_bytes()).as_ref())
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits =
        bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]]);
    digits.map(char::from).collect()
}

#[derive(Serialize, Deserialize)]
pub(crate) struct OptionsForm {
    language: Option<String>,
    task: String,
    model: Option<String>,
    prompt: Option<String>,
    words: bool,
    channels_apart: bool,
    temperature: Option<f32>,
}

impl Document for TranscribeOptions {
    type Form = OptionsForm;

    fn form(&self) -> OptionsForm {
        OptionsForm {
            language: self.language.clone(),
            task: self.task.name().to_owned(),
            model: self.model.clone(),
            prompt: self.prompt.clone(),
            words: self.words,
            channels_apart: self.channels_apart,
            temperature: self.temperature,
        }
    }

    fn of_form(form: OptionsForm) -> Result<Self, String> {
        let OptionsForm { language, task, model, prompt, words, channels_apart, temperature } =
            form;
        let task = Task::from_name(&task);
        let task = task.ok_or("its task is unknown")?;
        Ok(Self { language, task, model, prompt, words, channels_apart, temperature })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum SourceForm {
    Upload { file_name: Option<String> },
    S3 { bucket: String, key: String },
    Url { url: String },
}

impl Document for Source {
    type Form = SourceForm;

    fn form(&self) -> SourceForm {
        match self.clone() {
            Self::Upload { file_name } => SourceForm::Upload { file_name },
            Self::S3 { bucket, key } => SourceForm::S3 { bucket, key },
            Self::Url { url } => SourceForm::Url { url },
        }
    }

    fn of_form(form: SourceForm) -> Result<Self, String> {
        Ok(match form {
            SourceForm::Upload { file_name } => Self::Upload { file_name },
            SourceForm::S3 { bucket, key } => Self::S3 { bucket, key },
            SourceForm::Url { url } => Self::Url { url },
        })
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct CallbackForm {
    url: String,
    is_configured: bool,
    on_failure: bool,
    format: FormatForm,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum FormatForm {
    Event,
    SalesTrainer { session_id: Option<String>, scenario_id: Option<i64>, object_key: String },
}

impl Document for Callback {
    type Form = CallbackForm;

    fn form(&self) -> CallbackForm {
        let Self { url, is_configured, on_failure, format } = self.clone();
        let format = match format {
            CallbackFormat::Event => FormatForm::Event,
            CallbackFormat::SalesTrainer { session_id, scenario_id, object_key } => {
                FormatForm::SalesTrainer { session_id, scenario_id, object_key }
            }
        };
        CallbackForm { url, is_configured, on_failure, format }
    }

    fn of_form(form: CallbackForm) -> Result<Self, String> {
        let CallbackForm { url, is_configured, on_failure, format } = form;
        let format = match format {
            FormatForm::Event => CallbackFormat::Event,
            FormatForm::SalesTrainer { session_id, scenario_id, object_key } => {
                CallbackFormat::SalesTrainer { session_id, scenario_id, object_key }
            }
        };
        Ok(Self { url, is_configured, on_failure, format })
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct WindowForm {
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<u16>,
    segments: Vec<SegmentForm>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    dropped: Vec<SegmentForm>,
}

#[derive(Serialize, Deserialize)]
struct SegmentForm {
    start: f64,
    end: f64,
    text: String,
    tokens: Vec<u32>,
    temperature: f32,
    average_log_probability: f32,
    compression_ratio: f32,
    no_speech_probability: f32,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    words: Vec<WordForm>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    suspicions: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct WordForm {
    start: f64,
    end: f64,
    text: String,
    probability: f64,
}

impl Document for Window {
    type Form = WindowForm;

    fn form(&self) -> WindowForm {
        WindowForm {
            channel: self.channel,
            segments: self.segments.iter().map(segment_form).collect(),
            dropped: self.dropped.iter().map(segment_form).collect(),
        }
    }

    fn of_form(form: WindowForm) -> Result<Self, String> {
        Ok(Self {
            channel: form.channel,
            segments: form.segments.into_iter().map(segment).collect::<Result<_, _>>()?,
            dropped: form.dropped.into_iter().map(segment).collect::<Result<_, _>>()?,
        })
    }
}

fn segment_form(segment: &Segment) -> SegmentForm {
    let word_form = |word: &Word| WordForm {
        start: word.start,
        end: word.end,
        text: word.text.clone(),
        probability: word.probability,
    };
    SegmentForm {
        start: segment.start,
        end: segment.end,
        text: segment.text.clone(),
        tokens: segment.tokens.clone(),
        temperature: segment.temperature,
        average_log_probability: segment.average_log_probability,
        compression_ratio: segment.compression_ratio,
        no_speech_probability: segment.no_speech_probability,
        words: segment.words.iter().map(word_form).collect(),
        suspicions: segment.suspicions.iter().map(|one| one.name().to_owned()).collect(),
    }
}

fn segment(form: SegmentForm) -> Result<Segment, String> {
    let word = |form: WordForm| {
        let WordForm { start, end, text, probability } = form;
        Word { start, end, text, probability }
    };
    let suspicion = |name: &String| {
        Suspicion::from_name(name).ok_or_else(|| format!("its suspicion {name:?} is unknown"))
    };
    Ok(Segment {
        start: form.start,
        end: form.end,
        text: form.text,
        tokens: form.tokens,
        temperature: form.temperature,
        average_log_probability: form.average_log_probability,
        compression_ratio: form.compression_ratio,
        no_speech_probability: form.no_speech_probability,
        words: form.words.into_iter().map(word).collect(),
        suspicions: form.suspicions.iter().map(suspicion).collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_read_back() {
        let options = TranscribeOptions {
            language: Some("pt".to_owned()),
            temperature: Some(0.2),
            ..TranscribeOptions::default()
        };
        let source = Source::S3 { bucket: "b".to_owned(), key: "a/b.webm".to_owned() };
        let format = CallbackFormat::SalesTrainer {
            session_id: None,
            scenario_id: Some(3),
            object_key: "k".to_owned(),
        };
        let url = "https://example.org".to_owned();
        let callback = Callback { url, is_configured: false, on_failure: true, format };

        assert_eq!(read::<TranscribeOptions>("jobs", "1", &write(&options)).unwrap(), options);
        assert_eq!(read::<Source>("recordings", "1", &write(&source)).unwrap(), source);
        assert_eq!(read::<Callback>("jobs", "1", &write(&callback)).unwrap(), callback);
    }

    #[test]
    fn a_newer_version_is_refused_and_not_guessed_at() {
        let newer = write(&TranscribeOptions::default()).replacen("\"v\":1", "\"v\":2", 1);

        let refused = read::<TranscribeOptions>("jobs", "job_1", &newer).unwrap_err();

        assert_eq!(
            refused.to_string(),
            "jobs row job_1 cannot be read: its document has version 2"
        );
    }

    #[test]
    fn options_hash_alike_only_when_they_are_equal() {
        let plain = TranscribeOptions::default();
        let words = TranscribeOptions { words: true, ..plain.clone() };

        assert_eq!(options_hash(&plain), options_hash(&plain.clone()));
        assert_ne!(options_hash(&plain), options_hash(&words));
        assert_eq!(options_hash(&plain).len(), 64);
    }
}
