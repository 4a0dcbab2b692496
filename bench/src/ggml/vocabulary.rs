//! The vocabulary that whisper.cpp reads from its model files: the bytes of each token, special ones left out.

use std::collections::HashMap;
use std::io::Write;

use anyhow::Context;
use serde_json::Value;

use super::put;

/// Writes the number of tokens and each of them, from a Hugging Face `tokenizer.json`.
pub(super) fn write(out: &mut impl Write, tokenizer: &Value) -> anyhow::Result<()> {
    let vocabulary = tokenizer["model"]["vocab"].as_object().context("no vocabulary")?;
    let mut tokens = vec![None; vocabulary.len()];
    for (token, id) in vocabulary {
        let place = id.as_u64().and_then(|id| tokens.get_mut(usize::try_from(id).ok()?));
        *place.with_context(|| format!("{token} has no place"))? = Some(token);
    }
    let bytes_of = bytes_of_characters();
    put(out, tokens.len())?;
    for token in tokens.into_iter().flatten() {
        let bytes: Option<Vec<u8>> = token.chars().map(|c| bytes_of.get(&c).copied()).collect();
        let bytes = bytes.with_context(|| format!("{token} is not written in bytes"))?;
        put(out, bytes.len())?;
        out.write_all(&bytes)?;
    }
    Ok(())
}

/// GPT-2 writes a byte as the Latin-1 character of its value if that is visible, and as one from U+0100 on if not.
fn bytes_of_characters() -> HashMap<char, u8> {
    let visible = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let hidden = ('\u{100}'..).zip((0..=u8::MAX).filter(|byte| !visible(*byte)));
    (0..=u8::MAX)
        .filter(|byte| visible(*byte))
        .map(|byte| (char::from(byte), byte))
        .chain(hidden)
        .collect()
}
