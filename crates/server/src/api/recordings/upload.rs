//! Files that callers send: in a form, from which they go to the media store as they arrive, or in a resumable upload.

use axum::body::Body;
use axum::extract::multipart::{Field, Multipart};
use axum::extract::{FromRequest, Request};
use futures_util::StreamExt;
use hansard_domain::id::{UploadId, WorkspaceId};
use hansard_domain::problem::ProblemCode;
use hansard_domain::source::Source;
use hansard_store::recordings::StoredMedia;
use hansard_store::uploads::Uploaded;
use hansard_store::{Reach, Written};
use hansard_workflow::media_type;
use http::header::CONTENT_LENGTH;

use crate::App;
use crate::api::uploads::{self, protocol};
use crate::body::{Meter, Metered};
use crate::extract::{self, SMALL_BODY_MAX};
use crate::problem::{Problem, too_large};

/// The form's field with the recording.
const FILE: &str = "file";

/// Bytes of all other fields of a form together, and of what separates them.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// Fields of a form besides the file.
const FIELDS_MAX: usize = 64;

/// Characters of a file's name that are kept.
const FILE_NAME_MAX: usize = 255;

/// A form that was read to its end.
#[derive(Debug)]
pub(crate) struct Form {
    /// The fields besides the file, by name, in their order.
    pub(crate) fields: Vec<(String, String)>,
    /// The file. It is in the media store, and belongs to nobody yet.
    pub(crate) upload: Upload,
}

/// A file in the media store that belongs to nobody yet.
#[derive(Debug)]
pub(crate) struct Upload {
    /// The name that it had at the caller's.
    file_name: Option<String>,
    written: Written,
}

impl Upload {
    /// Copies what the resumable upload `id` has brought. The upload stays, to be ended when the file is somebody's.
    ///
    /// # Errors
    /// A problem for an upload that is not there, not complete, or empty.
    pub(crate) async fn take(app: &App, reach: &Reach, id: &UploadId) -> Result<Self, Problem> {
        let found = uploads::find(app, reach, id).await?;
        let written = match app.store().take_upload(reach, id).await? {
            Uploaded::Conflict(upload) => {
                let detail = format!("{} bytes of it are here", upload.offset);
                return Err(Problem::new(ProblemCode::UploadIncomplete).detail(detail));
            }
            other => uploads::done(other)?,
        };
        let file_name = protocol::file_name(&found.metadata).as_deref().and_then(plain_name);
        let upload = Self { file_name, written };
        if upload.written.size == 0 {
            upload.abandon(app).await;
            return Err(Problem::field("/source/upload", "the upload is empty"));
        }
        Ok(upload)
    }

    /// SHA-256 of its bytes, in hexadecimal digits.
    pub(crate) fn sha256(&self) -> &str {
        &self.written.sha256
    }

    /// Where the recording comes from.
    pub(crate) fn source(&self) -> Source {
        Source::Upload { file_name: self.file_name.clone() }
    }

    /// The media, for a recording that is accepted with them.
    pub(crate) fn media(&self) -> StoredMedia {
        let Written { key, size, sha256, head } = self.written.clone();
        let media_type = media_type(&head, self.file_name.as_deref()).to_owned();
        StoredMedia { key, media_type, size, sha256 }
    }

    /// Gives the file up: nobody is going to own it.
    pub(crate) async fn abandon(self, app: &App) {
        if let Err(error) = app.store().abandon_media(&self.written.key).await {
            // The sweep finds it by itself, only later.
            tracing::warn!(error = %error, "an upload that was given up stays for a day");
        }
    }
}

impl Form {
    /// Reads the form of `request`; its file goes to the media store for `workspace`. If anything is wrong, nothing stays.
    ///
    /// To be run [to its end](App::to_the_end): a client that goes away in the middle must not leave half a file.
    ///
    /// # Errors
    /// A problem for a body that is no form, ends early, is too large, or has no file or an empty one.
    pub(crate) async fn read(
        app: &App,
        workspace: &WorkspaceId,
        request: Request,
    ) -> Result<Self, Problem> {
        Self::read_if(app, workspace, request, |_| Ok(())).await
    }

    /// Like [`Form::read`], where `check` may refuse the form for the fields before its file, before any of that is kept.
    ///
    /// # Errors
    /// As [`Form::read`], and what `check` says.
    pub(crate) async fn read_if(
        app: &App,
        workspace: &WorkspaceId,
        request: Request,
        check: impl FnOnce(&[(String, String)]) -> Result<(), Problem> + Send,
    ) -> Result<Self, Problem> {
        if extract::media_type(request.headers()).as_deref() != Some("multipart/form-data") {
            let detail = "expected multipart/form-data";
            return Err(Problem::new(ProblemCode::UnsupportedContentType).detail(detail));
        }
        let limit = app.settings().file_bytes_max;
        let stated = request.headers().get(CONTENT_LENGTH);
        let stated = stated.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if stated.is_some_and(|length| length > limit.saturating_add(TEXT_BYTES_MAX as u64)) {
            return Err(too_large(limit));
        }
        let meter = Meter::default();
        let metered =
            request.map(|body| Body::new(Metered::new(body, meter.clone(), SMALL_BODY_MAX)));
        let form = Multipart::from_request(metered, app).await;
        let form = form.map_err(|error| malformed(&error.body_text()))?;
        let (mut form, mut fields, mut upload) = (Parts { form, meter }, Vec::new(), None);
        let read = read_fields(app, workspace, &mut form, &mut fields, &mut upload, check).await;
        match (read, upload) {
            (Ok(()), None) => Err(Problem::field("/file", "needed")),
            (Ok(()), Some(upload)) if upload.written.size == 0 => {
                upload.abandon(app).await;
                Err(Problem::field("/file", "the file is empty"))
            }
            (Ok(()), Some(upload)) => Ok(Self { fields, upload }),
            (Err(problem), upload) => {
                if let Some(upload) = upload {
                    upload.abandon(app).await;
                }
                Err(problem)
            }
        }
    }
}

/// The parts of a form, one by one.
struct Parts {
    form: Multipart,
    meter: Meter,
}

impl Parts {
    async fn next(&mut self) -> Result<Option<Field<'_>>, Problem> {
        let field = self.form.next_field().await.map_err(Problem::of_body)?;
        self.meter.found();
        Ok(field)
    }
}

async fn read_fields(
    app: &App,
    workspace: &WorkspaceId,
    form: &mut Parts,
    fields: &mut Vec<(String, String)>,
    upload: &mut Option<Upload>,
    check: impl FnOnce(&[(String, String)]) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let (mut text_bytes, mut check) = (0, Some(check));
    let meter = form.meter.clone();
    while let Some(field) = form.next().await? {
        let Some(name) = field.name().map(str::to_owned) else {
            return Err(malformed("a field has no name"));
        };
        if name == FILE {
            let Some(check) = check.take() else {
                return Err(Problem::field("/file", "given more than once"));
            };
            check(fields)?;
            meter.found_file();
            *upload = Some(write(app, workspace, field, meter.clone()).await?);
            continue;
        }
        let text = read_text(field, &meter).await?;
        text_bytes += text.len() + name.len();
        if fields.len() >= FIELDS_MAX {
            return Err(malformed(&format!(
                "a form has at most {FIELDS_MAX} fields beside its file"
            )));
        }
        if text_bytes > TEXT_BYTES_MAX {
            return Err(too_large(TEXT_BYTES_MAX as u64));
        }
        fields.push((name, text));
    }
    // A form without a file is refused as well, and for the same reason first.
    check.take().map_or(Ok(()), |check| check(fields))
}

/// Streams the file into the media store.
async fn write(
    app: &App,
    workspace: &WorkspaceId,
    field: Field<'_>,
    meter: Meter,
) -> Result<Upload, Problem> {
    let file_name = field.file_name().and_then(plain_name);
    let bytes = field.inspect(move |_| meter.found());
    let written = app.store().write_media(workspace, bytes, app.settings().file_bytes_max).await?;
    Ok(Upload { file_name, written })
}

async fn read_text(mut field: Field<'_>, meter: &Meter) -> Result<String, Problem> {
    let mut bytes = Vec::new();
    while let Some(piece) = field.chunk().await.map_err(Problem::of_body)? {
        meter.found();
        if bytes.len() + piece.len() > TEXT_BYTES_MAX {
            return Err(too_large(TEXT_BYTES_MAX as u64));
        }
        bytes.extend_from_slice(&piece);
    }
    String::from_utf8(bytes).map_err(|_| malformed("a field is not UTF-8"))
}

/// The last part of a file name as people read it; `None` for one that says nothing.
fn plain_name(name: &str) -> Option<String> {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = name.chars().filter(|c| !c.is_control()).take(FILE_NAME_MAX).collect();
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

fn malformed(detail: &str) -> Problem {
    Problem::new(ProblemCode::MalformedBody).detail(detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_file_name_only_what_people_read_is_kept() {
        for (name, kept) in [
            ("talk.mp3", Some("talk.mp3")),
            ("../../etc/passwd", Some("passwd")),
            ("C:\\Users\\ana\\talk.mp3", Some("talk.mp3")),
            ("a\0b\r\n.wav", Some("ab.wav")),
            ("  ", None),
            ("dir/", None),
        ] {
            assert_eq!(plain_name(name).as_deref(), kept, "{name:?}");
        }
    }
}
