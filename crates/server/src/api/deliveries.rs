//! Deliveries: what was sent to whom, what came of it, and sending it again.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hansard_domain::access::{Kind, Permission};
use hansard_domain::event::DeliveryState;
use hansard_domain::id::{DeliveryId, EndpointId, Id, JobId, RecordingId};
use hansard_domain::problem::ProblemCode;
use hansard_store::deliveries::{Attempt, Delivery, DeliveryFilter, Recipient, Replay};
use http::StatusCode;
use http::header::LOCATION;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::api::pages::{PageView, Parameters};
use crate::caller::Caller;
use crate::extract::{ApiPath, ApiQuery};
use crate::openapi::names;
use crate::problem::Problem;
use crate::routes::{Access, Route};

/// Where deliveries are.
const PATH: &str = "/api/v1/webhooks/deliveries";

/// What is said in place of an error that may name where the operator has results sent.
const UNTOLD: &str = "it did not arrive; the log of the service says why";

/// The routes of deliveries.
pub(crate) fn routes() -> Vec<Route> {
    let all = Access::needs(Permission::ManageWebhooks);
    let this = Access::of(Permission::ManageWebhooks, Kind::Delivery);
    let one = format!("{PATH}/{{id}}");
    vec![
        Route::get(PATH, all, list_deliveries),
        Route::get(&one, this, get_delivery),
        Route::post(&format!("{one}/replay"), this, replay_delivery),
    ]
}

/// One event on its way to one receiver.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub(crate) struct DeliveryView {
    /// Its name: what the receiver sees as `webhook-id`, the same over all attempts.
    id: String,
    /// The event.
    event_id: String,
    /// What happened, as `job.succeeded`.
    #[schema(schema_with = names::event_kind)]
    event: &'static str,
    /// The id of what it happened to.
    subject: String,
    /// What the event says.
    #[schema(value_type = Object)]
    data: Value,
    /// The endpoint that gets it; `null` for the callback of a job.
    endpoint_id: Option<String>,
    /// The callback that a caller has named; `null` for an endpoint, and for the callback that the operator has configured.
    callback_url: Option<String>,
    /// `pending`, `delivered`, `failed` or `cancelled`.
    #[schema(schema_with = names::delivery_state)]
    state: &'static str,
    /// Attempts since it was written or sent again.
    attempts: u32,
    /// When it is tried next; `null` while it is being sent and when it has ended.
    #[schema(format = DateTime)]
    next_attempt_at: Option<String>,
    /// When the event happened.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it ended.
    #[schema(format = DateTime)]
    finished_at: Option<String>,
}

/// A delivery with its attempts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeliveryWithAttempts)]
pub(crate) struct DeliveryLogView {
    #[serde(flatten)]
    delivery: DeliveryView,
    /// Every attempt, from before it was sent again as well, oldest first; of more than a hundred, the last hundred.
    log: Vec<AttemptView>,
}

/// One try to send a delivery.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeliveryAttempt)]
pub(crate) struct AttemptView {
    /// When it began.
    #[schema(format = DateTime)]
    started_at: String,
    /// How long it took, in seconds.
    duration_s: f64,
    /// The status that the receiver answered with, if it answered.
    status: Option<u16>,
    /// What went wrong, where the status does not say it.
    error: Option<String>,
}

impl DeliveryView {
    pub(crate) fn of(delivery: Delivery) -> Self {
        let (endpoint_id, callback_url) = match delivery.recipient {
            Recipient::Endpoint(id) => (Some(id.to_string()), None),
            // Where the operator has results sent is the operator's business.
            Recipient::Callback(callback) if callback.is_configured => (None, None),
            Recipient::Callback(callback) => (None, Some(callback.url)),
        };
        Self {
            id: delivery.id.to_string(),
            event_id: delivery.event.to_string(),
            event: delivery.kind.name(),
            subject: delivery.subject,
            // The store has written it as an object.
            data: serde_json::from_str(&delivery.data).unwrap_or_default(),
            endpoint_id,
            callback_url,
            state: delivery.state.name(),
            attempts: delivery.attempts,
            next_attempt_at: delivery.next_attempt.map(|time| time.to_string()),
            created_at: delivery.created_at.to_string(),
            finished_at: delivery.finished_at.map(|time| time.to_string()),
        }
    }
}

impl AttemptView {
    /// `is_told`: whether the caller may know where it went.
    fn of(attempt: Attempt, is_told: bool) -> Self {
        let error = attempt.error.map(|error| if is_told { error } else { UNTOLD.to_owned() });
        Self {
            started_at: attempt.started_at.to_string(),
            duration_s: attempt.duration.as_secs_f64(),
            status: attempt.status,
            error,
        }
    }
}

/// Which deliveries to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListDeliveries {
    /// Only those in this state: `pending`, `delivered`, `failed` or `cancelled`.
    state: Option<String>,
    /// Only those to this endpoint.
    endpoint_id: Option<String>,
    /// Only those about this: the id of a job, a recording, or an endpoint that was tested.
    subject: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// Items of the page: 1 to 200, and 50 unless it is given.
    limit: Option<u32>,
}

/// The deliveries of the caller's workspace, to endpoints and callbacks, newest first, without their attempts.
#[utoipa::path(
    get, path = "/api/v1/webhooks/deliveries", tag = "webhooks",
    params(ListDeliveries),
    responses((status = 200, description = "A page of deliveries", body = PageView<DeliveryView>)),
)]
pub(crate) async fn list_deliveries(
    State(app): State<App>,
    caller: Caller,
    ApiQuery(list): ApiQuery<ListDeliveries>,
) -> Result<Json<PageView<DeliveryView>>, Problem> {
    let mut parameters = Parameters::default();
    let filter = DeliveryFilter {
        state: parameters.read("state", list.state.as_deref(), |name| {
            DeliveryState::from_name(name).ok_or("there is no such state")
        }),
        endpoint: parameters.read("endpoint_id", list.endpoint_id.as_deref(), EndpointId::parse),
        subject: parameters.read("subject", list.subject.as_deref(), subject),
    };
    let place = parameters.place(list.cursor.as_deref(), list.limit)?;
    let page =
        app.store().page_deliveries(caller.workspace(), &filter, place.before, place.limit).await?;
    Ok(Json(PageView::of(page, DeliveryView::of)))
}

fn subject(text: &str) -> Result<String, &'static str> {
    let is_one = JobId::parse(text).is_ok()
        || RecordingId::parse(text).is_ok()
        || EndpointId::parse(text).is_ok();
    if is_one { Ok(text.to_owned()) } else { Err("expected the id of a job or a recording") }
}

/// One delivery, with its attempts.
#[utoipa::path(
    get, path = "/api/v1/webhooks/deliveries/{id}", tag = "webhooks",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The delivery", body = DeliveryLogView)),
)]
pub(crate) async fn get_delivery(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<DeliveryId>,
) -> Result<Json<DeliveryLogView>, Problem> {
    let delivery = app.store().find_delivery(caller.workspace(), &id).await?.ok_or_else(missing)?;
    let is_told = match &delivery.recipient {
        Recipient::Endpoint(_) => true,
        Recipient::Callback(callback) => !callback.is_configured,
    };
    let attempts = app.store().delivery_attempts(&id).await?;
    let log = attempts.into_iter().map(|attempt| AttemptView::of(attempt, is_told)).collect();
    Ok(Json(DeliveryLogView { delivery: DeliveryView::of(delivery), log }))
}

/// Sends a delivery that has ended once more: with its id, and with all attempts again.
#[utoipa::path(
    post, path = "/api/v1/webhooks/deliveries/{id}/replay", tag = "webhooks",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 202, description = "The delivery, on its way again", body = DeliveryView)),
)]
pub(crate) async fn replay_delivery(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<DeliveryId>,
) -> Result<Response, Problem> {
    match app.store().replay_delivery(caller.workspace(), &id).await? {
        Replay::Done(delivery) => {
            let headers = [(LOCATION, path(&delivery.id))];
            let view = DeliveryView::of(*delivery);
            Ok((StatusCode::ACCEPTED, headers, Json(view)).into_response())
        }
        Replay::Pending(_) => {
            let detail = "the delivery is on its way still";
            Err(Problem::new(ProblemCode::DeliveryStateConflict).detail(detail))
        }
        Replay::Missing => Err(missing()),
    }
}

/// Where a delivery is looked at.
pub(crate) fn path(id: &DeliveryId) -> String {
    format!("{PATH}/{id}")
}

fn missing() -> Problem {
    Problem::new(ProblemCode::DeliveryNotFound)
}
