//! Completions and manual pages.

use super::deployment::Stage;

#[tokio::test]
async fn completions_know_every_command() {
    let stage = Stage::new().await;
    for shell in ["bash", "zsh", "fish"] {
        let said = stage.run(&["completions", shell], &[], "").await;
        assert_eq!(said.status, 0, "{}", said.err);
        for word in ["doctor", "incidents", "workspace", "mappings"] {
            assert!(said.out.contains(word), "{shell}: {word}");
        }
    }
    assert_eq!(stage.run(&["completions", "tcsh"], &[], "").await.status, 2);
}

#[tokio::test]
async fn manual_pages_are_made_of_the_commands() {
    let stage = Stage::new().await;
    let said = stage.run(&["man"], &[], "").await;
    assert!(said.out.contains(".TH counterfoil 1"), "{}", said.out);
    let folder = stage.home.path().join("man1");
    let said = stage
        .run(&["man", "--out", folder.to_str().unwrap()], &[], "")
        .await;
    assert_eq!(said.status, 0, "{}", said.err);
    let page = std::fs::read_to_string(folder.join("counterfoil-key-create.1")).unwrap();
    assert!(
        page.contains("EXAMPLES") && page.contains("environment"),
        "{page}"
    );
    assert!(folder.join("counterfoil.1").exists());
    let said = stage.run(&["man", "--out", "/dev/null/man"], &[], "").await;
    assert_eq!(said.status, 2, "{}", said.err);
}
