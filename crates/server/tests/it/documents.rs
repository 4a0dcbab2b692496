//! What the service says about itself.

use http::StatusCode;

use crate::service::Service;

#[tokio::test]
async fn the_document_is_the_one_in_the_repository() {
    let service = Service::start().await;
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    let written: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();

    let document = service.get("/api/v1/openapi.json").await;

    assert_eq!(document.header("content-type"), "application/json");
    assert_eq!(document.json(), written);
}

#[tokio::test]
async fn the_reference_page_comes_from_the_program_alone() {
    let service = Service::start().await;

    let start = service.get("/").await;
    let without_slash = service.get("/docs/api").await;
    let page = service.get("/docs/api/").await;
    let settings = service.get("/docs/api/swagger-initializer.js").await;

    assert_eq!((start.status, start.header("location")), (StatusCode::SEE_OTHER, "docs/api/"));
    assert_eq!(without_slash.header("location"), "api/");
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.header("content-security-policy").contains("default-src 'self'"));
    for file in ["swagger-ui.css", "swagger-ui-bundle.js", "swagger-ui-standalone-preset.js"] {
        let file = service.get(&format!("/docs/api/{file}")).await;
        assert_eq!(file.status, StatusCode::OK);
        assert_eq!(file.header("content-encoding"), "gzip");
    }
    // The page would otherwise ask a server of its makers what it thinks of the document.
    assert!(settings.text().contains(r#""validatorUrl": "none""#), "{}", settings.text());
    assert!(settings.text().contains("../../api/v1/openapi.json"), "{}", settings.text());
    assert!(!settings.text().contains("http://") && !settings.text().contains("https://"));
}

#[tokio::test]
async fn what_is_no_page_is_a_problem() {
    let service = Service::start().await;

    for path in
        ["/docs/api/nothing.js", "/docs/api/%ff", "/docs/errors/nothing", "/docs/errors/%ff"]
    {
        assert_eq!(service.get(path).await.problem(), "route_not_found", "{path}");
    }
    let nothing = service.get("/nothing").await;
    assert_eq!(nothing.json()["detail"], "Not Found", "as the originals say it");
}
