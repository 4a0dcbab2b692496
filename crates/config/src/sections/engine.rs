use std::path::PathBuf;

use crate::reader::Reader;
use crate::secret::Secret;
use crate::setting::{default, section, unset};
use crate::value::{Choice, HttpUrl};

/// Where the OpenAI-shaped engine sends speech unless told otherwise.
const OPENAI_URL: &str = "https://api.openai.com/v1";

section! {
    /// What turns speech into text.
    pub struct EngineConfig: "engine" {
        /// `whisper` runs on this machine; `openai` sends speech to an OpenAI-shaped service; `fake` makes words up, for
        /// tests.
        /// `auto` is `whisper` unless no local model can be had and `engine.openai_api_key` is set.
        kind: EngineKind = default("auto"),

        /// Makes words up, whatever `engine.kind` says.
        mock: bool = default("false").named(&["MOCK_TRANSCRIBE"]),

        /// Local model by name, hub id, folder or file.
        /// Unless set, it is `small`, or else one that is on this machine.
        model: Option<String> = unset("small").named(&["WHISPER_MODEL", "ASR_MODEL", "WHISPER_MODEL_SIZE"]),

        /// Threads that compute; 0 is one for each core.
        threads: u16 = default("0").within("0", "1024").named(&["OMP_NUM_THREADS"]),

        /// Folder of downloaded models, in the layout of the Hugging Face cache.
        /// Unless set, it is `hub` in `HF_HOME`, or else the usual folder of the user.
        models_dir: Option<PathBuf> = unset("/srv/models").named(&["HF_HUB_CACHE"]),

        /// Key for the OpenAI-shaped service.
        openai_api_key: Option<Secret> = unset("change-me").named(&["OPENAI_API_KEY"]),

        /// Address of the OpenAI-shaped service, with its version.
        openai_base_url: HttpUrl = default(OPENAI_URL).named(&["OPENAI_BASE_URL"]),

        /// Model that the OpenAI-shaped service is asked for.
        openai_model: String = default("whisper-1"),
    }
}

/// What turns speech into text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineKind {
    /// [`EngineKind::Whisper`] unless no model can be had and there is a key for [`EngineKind::Openai`].
    Auto,
    /// Whisper on this machine.
    Whisper,
    /// An OpenAI-shaped service.
    Openai,
    /// Made-up words.
    Fake,
}

impl Choice for EngineKind {
    const CHOICES: &'static [(&'static str, Self)] = &[
        ("auto", Self::Auto),
        ("whisper", Self::Whisper),
        ("openai", Self::Openai),
        ("fake", Self::Fake),
    ];
}

impl EngineConfig {
    /// Lets the mock take its place, and checks what belongs together.
    pub(crate) fn settle(&mut self, reader: &mut Reader) {
        if self.mock {
            self.kind = EngineKind::Fake;
        }
        let asks_openai = reader.given("engine.openai_base_url").is_none();
        if self.kind == EngineKind::Openai && asks_openai && self.openai_api_key.is_none() {
            reader.refuse_together(
                &["engine.kind", "engine.openai_api_key", "engine.openai_base_url"],
                "needs engine.openai_api_key, or the engine.openai_base_url of a service without keys",
            );
        }
    }
}
