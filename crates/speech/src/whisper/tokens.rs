//! The tokenizer of a checkpoint, and its special tokens by name.

use std::collections::BTreeMap;
use std::path::Path;

use hansard_domain::transcript::Task;
use tokenizers::Tokenizer;

use super::config::wrong;
use crate::Error;

/// Languages that are written without spaces, where a word is any whole character.
const WITHOUT_SPACES: [&str; 6] = ["zh", "ja", "th", "lo", "my", "yue"];
/// Marks that stand alone as words until they are joined to their neighbours.
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
/// Timestamps run from 0 to 30 s in steps of 20 ms.
pub const TIMESTAMPS: u32 = 1501;
/// Seconds between one timestamp token and the next.
pub const TIMESTAMP_STEP: f64 = 0.02;

/// Token ids in and text out.
pub struct Tokens {
    tokenizer: Tokenizer,
    /// End of the text; every id below it is text.
    pub end: u32,
    /// Start of a transcript.
    pub start: u32,
    /// Start of the previous text, before a prompt.
    pub previous: u32,
    /// "There is no speech here".
    pub no_speech: Option<u32>,
    /// "Without timestamps".
    pub no_timestamps: u32,
    /// The timestamp of 0.00 s; the others follow it.
    pub timestamps: u32,
    transcribe: Option<u32>,
    translate: Option<u32>,
    languages: BTreeMap<String, u32>,
}

impl Tokens {
    /// Reads `tokenizer.json` in `folder`. `vocabulary` is the model's.
    pub fn load(folder: &Path, vocabulary: usize) -> Result<Self, Error> {
        let path = folder.join("tokenizer.json");
        let mut tokenizer =
            Tokenizer::from_file(&path).map_err(|error| wrong(&path, &error.to_string()))?;
        // The post-processor would put the start tokens of one fixed task in front of every text.
        tokenizer.with_post_processor(None::<tokenizers::PostProcessorWrapper>);
        let required = |name: &str| {
            tokenizer
                .token_to_id(name)
                .ok_or_else(|| wrong(&path, &format!("the token {name} is missing")))
        };
        let end = required("<|endoftext|>")?;
        let start = required("<|startoftranscript|>")?;
        let previous = required("<|startofprev|>")?;
        let no_timestamps = required("<|notimestamps|>")?;
        let fits = no_timestamps
            .checked_add(1 + TIMESTAMPS)
            .is_some_and(|needed| needed as usize <= vocabulary);
        // In every published vocabulary the timestamps come last.
        let optional = ["<|nospeech|>", "<|nocaptions|>", "<|transcribe|>", "<|translate|>"];
        let named = optional.iter().filter_map(|name| tokenizer.token_to_id(name));
        if !fits || [end, start, previous].into_iter().chain(named).any(|id| id >= no_timestamps) {
            return Err(wrong(&path, "its special tokens do not fit the model's vocabulary"));
        }
        let timestamps = no_timestamps + 1;
        // `generation_config.json` lists the languages too, but tools have written it in another order than the
        // vocabulary; the vocabulary is what the model was trained with.
        let languages = (start + 1..no_timestamps)
            .filter_map(|id| {
                let name = tokenizer.id_to_token(id)?;
                let code = name.strip_prefix("<|")?.strip_suffix("|>")?;
                let is_code = (2..=3).contains(&code.len())
                    && code.bytes().all(|byte| byte.is_ascii_lowercase());
                is_code.then(|| (code.to_owned(), id))
            })
            .collect();
        Ok(Self {
            end,
            start,
            previous,
            no_speech: ["<|nospeech|>", "<|nocaptions|>"]
                .iter()
                .find_map(|name| tokenizer.token_to_id(name)),
            no_timestamps,
            timestamps,
            transcribe: tokenizer.token_to_id("<|transcribe|>"),
            translate: tokenizer.token_to_id("<|translate|>"),
            languages,
            tokenizer,
        })
    }

    /// Whether the model was trained on more than English.
    ///
    /// English-only vocabularies list the language tokens too, but begin at 50257, one below the multilingual ones.
    pub fn is_multilingual(&self) -> bool {
        self.start >= 50258
    }

    /// Code and id of every language that the model knows, in order of the code.
    pub fn languages(&self) -> impl Iterator<Item = (&str, u32)> {
        self.languages.iter().map(|(code, &id)| (code.as_str(), id))
    }

    /// The tokens that ask for `task` in `language`, which a model for English alone does not need.
    pub fn start_sequence(&self, language: &str, task: Task) -> Result<Vec<u32>, Error> {
        if !self.is_multilingual() {
            return match (language, task) {
                ("en", Task::Transcribe) => Ok(vec![self.start]),
                _ => Err(Error::Options(
                    "this model knows only English: use a model without .en in its name".to_owned(),
                )),
            };
        }
        let language_id = *self.languages.get(language).ok_or_else(|| {
            Error::Options(format!(
                "the model does not know the language {language:?}; give a code such as en, pt or de"
            ))
        })?;
        let task_id = match task {
            Task::Transcribe => self.transcribe,
            Task::Translate => self.translate,
        }
        .ok_or_else(|| Error::Options(format!("the model cannot {}", task.name())))?;
        Ok(vec![self.start, language_id, task_id])
    }

    /// Special tokens that are never part of an answer.
    pub fn control(&self) -> Vec<u32> {
        let named = [self.transcribe, self.translate, self.no_speech];
        let lm = self.tokenizer.token_to_id("<|startoflm|>");
        [self.start, self.previous]
            .into_iter()
            .chain(named.into_iter().flatten())
            .chain(lm)
            .collect()
    }

    /// Ids of `text`.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, Error> {
        let encoding = self
            .tokenizer
            .encode_fast(text, false)
            .map_err(|error| Error::Options(format!("the prompt cannot be read: {error}")))?;
        Ok(encoding.get_ids().iter().copied().filter(|&id| id < self.end).collect())
    }

    /// Text of `ids`, leaving out everything that is not text. Bytes that are not UTF-8 become U+FFFD.
    pub fn decode(&self, ids: &[u32]) -> String {
        let text: Vec<u32> = ids.iter().copied().filter(|&id| id < self.end).collect();
        self.tokenizer.decode(&text, false).unwrap_or_default()
    }

    /// Whether `id` is a timestamp.
    pub fn is_timestamp(&self, id: u32) -> bool {
        id >= self.timestamps
    }

    /// Seconds that timestamp `id` stands for.
    pub fn seconds(&self, id: u32) -> f64 {
        f64::from(id.saturating_sub(self.timestamps)) * TIMESTAMP_STEP
    }

    /// Splits text `ids` into words: each with its text and how many of the ids it takes.
    pub fn words(&self, ids: &[u32], language: &str) -> Vec<(String, usize)> {
        let pieces = self.characters(ids);
        if WITHOUT_SPACES.contains(&language) {
            return pieces;
        }
        let mut words: Vec<(String, usize)> = Vec::new();
        for (piece, count) in pieces {
            let trimmed = piece.trim();
            let is_mark = PUNCTUATION.contains(trimmed);
            match words.last_mut() {
                Some(word) if !piece.starts_with(' ') && !is_mark => {
                    word.0.push_str(&piece);
                    word.1 += count;
                }
                _ => words.push((piece, count)),
            }
        }
        words
    }

    /// Splits ids where the text so far is whole characters.
    fn characters(&self, ids: &[u32]) -> Vec<(String, usize)> {
        /// UTF-8 takes four bytes at most, and a token is at least one.
        const TOKENS_PER_CHARACTER_MAX: usize = 4;
        let mut pieces = Vec::new();
        let mut first = 0;
        for end in 1..=ids.len() {
            let text = self.decode(&ids[first..end]);
            let whole = !text.contains(char::REPLACEMENT_CHARACTER);
            if whole || end == ids.len() || end - first >= TOKENS_PER_CHARACTER_MAX {
                pieces.push((text, end - first));
                first = end;
            }
        }
        pieces
    }
}
