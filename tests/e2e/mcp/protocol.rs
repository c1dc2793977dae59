//! Messages as they must be, and credentials as they must be.

use serde_json::json;

use super::super::stage::stage;
use super::INJECTED;
use super::client::Message;

#[test]
fn what_is_wrong_with_a_request_is_refused() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let key = Some(tenant.repair_key.as_str());
        let list = || Message::of("incidents_list", &json!({}));
        let good = list().sent(stage, key).await;
        assert_eq!(good.status, 200, "{}", good.text);
        assert!(good.header("content-type").starts_with("application/json"));
        assert_eq!(good.header("mcp-session-id"), "");

        for bad in [
            None,
            Some("cfk_test_0123456789_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA3Vcbjn"),
            Some("x"),
        ] {
            let refused = list().sent(stage, bad).await;
            assert_eq!(refused.says(), (401, "unauthenticated".to_owned()));
            // Whoever sent none made no mistake (RFC 6750, section 3.1).
            let error = bad.map_or("", |_| "error=\"invalid_token\", ");
            let document = "https://127.0.0.1/.well-known/oauth-protected-resource/mcp";
            let wanted =
                format!("Bearer {error}resource_metadata=\"{document}\", scope=\"counterfoil\"");
            assert_eq!(refused.header("www-authenticate"), wanted);
        }
        // An approver key is a person's, and a person's token for the API is not one for agents.
        let ada = list().sent(stage, Some(&tenant.ada)).await;
        assert_eq!(
            ada.says(),
            (403, "capability-missing".to_owned()),
            "{}",
            ada.text
        );
        let token = stage.issuer.mint("somebody", |_| {});
        let person = list().sent(stage, Some(&token)).await;
        assert_eq!(person.says().0, 401, "{}", person.text);

        for (name, value, status) in [
            ("origin", "https://evil.example.com", 403),
            ("origin", "null", 403),
            ("host", "evil.example.com", 403),
            ("mcp-name", "incident_get", 400),
            ("mcp-method", "tools/list", 400),
        ] {
            let refused = list().with(name, value).sent(stage, key).await;
            assert_eq!(refused.status, status, "{name}: {}", refused.text);
            if status == 400 {
                assert_eq!(refused.json()["error"]["code"], -32020, "{}", refused.text);
            }
        }
        let large = json!({ "customer": "x".repeat(256 * 1024) });
        let large = Message::of("incidents_list", &large).sent(stage, key).await;
        assert_eq!(large.says(), (413, "body-too-large".to_owned()));
        for tool in ["approve", "action_approve", "secrets_list", INJECTED] {
            let plain: String = tool.chars().filter(char::is_ascii_alphanumeric).collect();
            let unknown = Message::of(&plain, &json!({})).sent(stage, key).await;
            assert_eq!(unknown.json()["error"]["code"], -32602, "{}", unknown.text);
            assert!(!unknown.text.contains(&plain), "{}", unknown.text);
        }
        let stream = stage.raw(("GET", "/mcp"), key, &[], String::new()).await;
        assert_eq!(stream.status, 405, "{}", stream.text);
        let path = "/.well-known/oauth-protected-resource/mcp";
        let document = stage.raw(("GET", path), None, &[], String::new()).await;
        assert_eq!(document.json()["resource"], "https://127.0.0.1/mcp");
        let servers = json!([stage.issuer.url()]);
        assert_eq!(document.json()["authorization_servers"], servers);
        assert_eq!(document.json()["scopes_supported"], json!(["counterfoil"]));
    });
}
