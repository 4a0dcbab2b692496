//! Asks the service, patiently but not for ever.

use std::time::Duration;

use bytes::Bytes;
use hansard_domain::transcript::Task;
use hansard_net::{
    Answer, Body, Call, Client, Error as NetError, Form, Request, Retries, Settings, Token, Trust,
    Url, is_passing_status,
};
use serde::Deserialize;
use serde_json::Value;

use super::Config;
use super::reply::Reply;
use crate::{Cancel, Error, Options};

/// The largest answer: an hour of speech with words and tokens has some two megabytes.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What is read of an answer that is an error.
const COMPLAINT_BYTES_MAX: usize = 16 * 1024;

/// What is shown of it, in characters.
const COMPLAINT_SHOWN_MAX: usize = 200;

/// How often a request or a pause looks whether it was cancelled.
const LOOK: Duration = Duration::from_millis(100);

/// A service, and how it is reached.
#[derive(Debug)]
pub(super) struct Service {
    client: Client,
    base_url: Url,
    key: Option<Token>,
    model: String,
    timeout: Duration,
    retries: Retries,
}

/// What is to be heard, and how.
pub(super) struct Question<'a> {
    /// A WAV file.
    pub(super) wav: Bytes,
    pub(super) options: &'a Options,
    /// ISO 639 code, if it is known.
    pub(super) language: Option<&'a str>,
}

impl Service {
    pub(super) fn new(config: Config) -> Result<Self, Error> {
        let Config { base_url, key, model, piece: _, timeout, network } = config;
        // Every caller waits on a runtime of its own, and a connection does not outlive its runtime.
        let settings = Settings { keep_connections: false, ..network };
        let client = Client::new(&settings).map_err(unreachable)?;
        Ok(Self { client, base_url, key, model, timeout, retries: settings.retries })
    }

    /// What the service hears. Failures that may pass are retried; throwing the switch ends it, also in the middle.
    pub(super) fn ask(&self, question: &Question<'_>, cancel: &Cancel) -> Result<Reply, Error> {
        let asked = async {
            tokio::select! {
                reply = self.ask_patiently(question) => reply,
                () = thrown(cancel) => Err(Error::Cancelled),
            }
        };
        hansard_net::wait(async { Ok(asked.await) }).map_err(unreachable)?
    }

    async fn ask_patiently(&self, question: &Question<'_>) -> Result<Reply, Error> {
        let mut failures = 0;
        loop {
            let error = match self.ask_once(question).await {
                Ok(body) => return Reply::read(&body).map_err(|error| self.nonsense(error)),
                Err(error) => error,
            };
            failures += 1;
            let pause = match &error {
                Error::Remote { passing: true, retry_after, .. } => {
                    self.retries.pause(failures, *retry_after)
                }
                _ => None,
            };
            let Some(pause) = pause else { return Err(error) };
            tokio::time::sleep(pause).await;
        }
    }

    async fn ask_once(&self, question: &Question<'_>) -> Result<Bytes, Error> {
        let mut request = Request::new(self.address(question.options.task)?, Trust::Operator)
            .within(self.timeout)
            .patient_for(self.timeout);
        if let Some(key) = &self.key {
            request = request.bearer(key);
        }
        let form = self.form(question).map_err(unreachable)?;
        let answer = self.client.send(Call::post(request, Body::form(form))).await;
        let answer = answer.map_err(unreachable)?;
        if !answer.status().is_success() {
            return Err(self.refusal(answer, question.wav.len()).await);
        }
        match answer.bytes(ANSWER_BYTES_MAX).await {
            Err(error @ NetError::TooLarge { .. }) => Err(self.nonsense(error)),
            body => body.map_err(unreachable),
        }
    }

    fn form(&self, question: &Question<'_>) -> Result<Form, NetError> {
        let Question { wav, options, language } = question;
        let temperature = options.temperatures.first().copied().unwrap_or_default();
        let mut form = Form::new()?
            .text("model", &self.model)
            .text("response_format", "verbose_json")
            .text("temperature", &temperature.to_string());
        if options.task == Task::Transcribe {
            form = form.text("timestamp_granularities[]", "segment");
            if options.word_timestamps {
                form = form.text("timestamp_granularities[]", "word");
            }
            if let Some(language) = language {
                form = form.text("language", language);
            }
        }
        if let Some(prompt) = &options.initial_prompt {
            form = form.text("prompt", prompt);
        }
        Ok(form.file("file", "piece.wav", "audio/wav", wav.clone()))
    }

    fn address(&self, task: Task) -> Result<Url, Error> {
        let operation = match task {
            Task::Transcribe => "transcriptions",
            Task::Translate => "translations",
        };
        let mut url = self.base_url.clone();
        match url.path_segments_mut() {
            Ok(mut path) => path.pop_if_empty().extend(["audio", operation]),
            Err(()) => return Err(self.failed("its address cannot be extended", None)),
        };
        Ok(url)
    }

    /// What an answer means that is no success.
    async fn refusal(&self, answer: Answer, size: usize) -> Error {
        let status = answer.status().as_u16();
        let retry_after = answer.retry_after().or_else(|| milliseconds(&answer));
        let complaint = Complaint::read(&answer.beginning(COMPLAINT_BYTES_MAX).await);
        let said = self.shown(&complaint.message);
        let permanent = |reason: &str| self.failed(reason, None);
        match status {
            // What it says about a key may hold part of the key.
            401 | 403 => permanent("it refuses the key: check OPENAI_API_KEY"),
            404 => permanent(&format!(
                "it knows no such address or model: check OPENAI_BASE_URL and the model{said}"
            )),
            413 => permanent(&format!("a piece of {size} bytes is too large for it{said}")),
            400 | 422 => Error::Options(format!("the speech service refuses the request{said}")),
            429 if complaint.is_about_credit() => {
                permanent("the account that the key belongs to has no credit left")
            }
            300..=399 => permanent("it redirects: check OPENAI_BASE_URL"),
            _ => Error::Remote {
                reason: format!("{} answers with status {status}{said}", self.host()),
                passing: is_passing_status(status),
                retry_after,
                source: None,
            },
        }
    }

    /// What the service says, as the end of a sentence: bounded, in one line, without the key.
    fn shown(&self, message: &str) -> String {
        if message.is_empty() || self.key.as_ref().is_some_and(|key| key.is_in(message)) {
            return String::new();
        }
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        let message: String = message.chars().map(plain).take(COMPLAINT_SHOWN_MAX).collect();
        format!(": {}", message.trim())
    }

    fn nonsense(&self, source: impl std::error::Error + Send + Sync + 'static) -> Error {
        self.failed("its answer makes no sense", Some(Box::new(source)))
    }

    /// A failure that the same request would meet again.
    fn failed(
        &self,
        reason: &str,
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Error {
        let reason = format!("{}: {reason}", self.host());
        Error::Remote { reason, passing: false, retry_after: None, source }
    }

    fn host(&self) -> &str {
        self.base_url.host_str().unwrap_or_default()
    }
}

/// What a failure on the way means; it names the host itself.
fn unreachable(error: NetError) -> Error {
    Error::Remote {
        reason: "it cannot be asked".to_owned(),
        passing: error.is_passing(),
        retry_after: error.retry_after(),
        source: Some(Box::new(error)),
    }
}

/// What OpenAI says beside `Retry-After`, or in its place.
fn milliseconds(answer: &Answer) -> Option<Duration> {
    answer.header("retry-after-ms")?.trim().parse().ok().map(Duration::from_millis)
}

/// Returns once the switch is thrown.
async fn thrown(cancel: &Cancel) {
    while !cancel.is_cancelled() {
        tokio::time::sleep(LOOK).await;
    }
}

/// OpenAI's way to say no, as far as it was followed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Complaint {
    message: String,
    /// Some services have numbers here.
    code: Value,
    #[serde(rename = "type")]
    kind: Value,
}

impl Complaint {
    fn read(body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Refusal {
            error: Complaint,
        }
        serde_json::from_slice(body).map(|Refusal { error }| error).unwrap_or_default()
    }

    fn is_about_credit(&self) -> bool {
        self.code == "insufficient_quota" || self.kind == "insufficient_quota"
    }
}
