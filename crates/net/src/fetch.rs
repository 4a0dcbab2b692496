//! Small answers, with retries.

use http::{HeaderMap, Method};

use crate::error::shown;
use crate::{Answer, Body, Call, Client, Error, Redirects, Request};

/// The head of an answer, without its body.
#[derive(Debug)]
pub struct Head {
    headers: HeaderMap,
}

impl Head {
    /// The value of header `name` if there is one and it is visible ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Client {
    /// The body of the answer, which may have `limit` bytes. Follows redirects.
    pub async fn fetch(&self, request: &Request, limit: usize) -> Result<Vec<u8>, Error> {
        let mut failures = 0;
        loop {
            match self.fetch_once(request, limit).await {
                Ok(body) => return Ok(body),
                Err(error) => self.pause_after(error, &mut failures).await?,
            }
        }
    }

    /// The head of the answer. A redirect to another host is not followed: its own head is the answer.
    pub async fn head(&self, request: &Request) -> Result<Head, Error> {
        let mut failures = 0;
        loop {
            let call = Call::new(Method::HEAD, request.clone(), Body::empty());
            let answer = self.send(call.redirects(Redirects::WithinHost)).await;
            match answer.and_then(|answer| welcome(request, answer)) {
                Ok(answer) => return Ok(Head { headers: answer.headers().clone() }),
                Err(error) => self.pause_after(error, &mut failures).await?,
            }
        }
    }

    /// Pauses before the next attempt, or returns `error` if there should be none.
    pub(crate) async fn pause_after(&self, error: Error, failures: &mut u32) -> Result<(), Error> {
        *failures += 1;
        let pause = match error.is_passing() {
            true => self.settings.retries.pause(*failures, error.retry_after()),
            false => None,
        };
        let Some(pause) = pause else { return Err(error) };
        tokio::time::sleep(pause).await;
        Ok(())
    }

    async fn fetch_once(&self, request: &Request, limit: usize) -> Result<Vec<u8>, Error> {
        let call = Call::get(request.clone()).redirects(Redirects::Follow);
        let answer = welcome(request, self.send(call).await?)?;
        Ok(answer.bytes(limit).await?.into())
    }
}

/// Makes an error of an answer that is neither a success nor a redirect.
pub(crate) fn welcome(request: &Request, answer: Answer) -> Result<Answer, Error> {
    let status = answer.status();
    if status.is_success() || status.is_redirection() {
        return Ok(answer);
    }
    Err(Error::Status {
        address: shown(&request.url),
        status: status.as_u16(),
        retry_after: answer.retry_after().map(|pause| pause.as_secs()),
    })
}
