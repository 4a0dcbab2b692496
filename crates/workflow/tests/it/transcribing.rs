//! From an upload to a transcript.

use std::collections::HashSet;

use hansard_domain::job::{JobState, Stage, TranscribeOptions};
use hansard_media::{Channels, MediaFile};
use hansard_speech::fake::Fake;
use hansard_speech::{Cancel, Options, Silent, Transcriber};
use hansard_testkit::speech;

use crate::desk::{Place, noted, segments};
use crate::engines::pool;
use crate::on_both_databases;

on_both_databases! {
    an_upload_becomes_a_transcript,
    a_restart_goes_on_behind_the_last_window,
    channels_are_transcribed_apart,
    a_restart_goes_on_in_the_right_channel,
    identical_audio_is_transcribed_once,
    workspaces_take_turns,
    a_model_of_ones_own_is_refused,
}

async fn an_upload_becomes_a_transcript(place: Place) {
    let desk = place.open().await;
    let wav = speech::mono(65.0, 7);
    std::fs::write(place.path("talk.wav"), &wav).unwrap();
    let worker = desk.worker(pool(Fake::new()), 1);

    let accepted =
        desk.hand_in_asking(wav, TranscribeOptions { words: true, ..Default::default() }).await;
    let (head, windows) = desk.transcript(&accepted).await;

    let file = MediaFile::open(place.path("talk.wav"), Channels::Mix).unwrap();
    let options = Options { word_timestamps: true, ..Options::default() };
    let cancel = Cancel::default();
    let expected = Fake::new().transcribe(&file, &options, None, &cancel, &mut Silent).unwrap();
    assert_eq!(segments(&windows), expected.segments);
    assert_eq!(windows.len(), 3);
    assert_eq!(head.model, "fake/words");
    assert_eq!(head.language.as_deref(), Some("en"));
    assert_eq!(head.duration, Some(65.0));
    let job = desk.job(&accepted).await;
    assert_eq!((job.done, job.duration), (65.0, Some(65.0)));
    let stages = desk.store.finished_stages(&job.id).await.unwrap();
    assert_eq!(stages.iter().map(|one| one.stage).collect::<Vec<_>>(), [Stage::Transcribe]);
    let recording = desk.store.find_recording(&desk.workspace, &job.recording).await.unwrap();
    assert_eq!(recording.unwrap().current_transcript, job.transcript);
    drop(worker);
}

async fn a_restart_goes_on_behind_the_last_window(place: Place) {
    let notes = place.path("notes");
    let desk = place.open().await;
    let accepted = desk.hand_in(speech::mono(95.0, 3)).await;
    let crashed = desk.worker(pool(Fake::pausing().noting(&notes)), 1);
    desk.job_when(&accepted, |job| job.done >= 30.0).await;

    drop(crashed);
    let desk = place.open().await;
    let _next = desk.worker(pool(Fake::new().noting(&notes)), 1);
    let (_, windows) = desk.transcript(&accepted).await;

    assert_eq!(windows.len(), 4);
    let noted = noted(&notes);
    assert_eq!(noted.len(), 4, "each window was heard once: {noted:?}");
    assert_eq!(noted.iter().collect::<HashSet<_>>().len(), 4);
}

async fn channels_are_transcribed_apart(place: Place) {
    let desk = place.open().await;
    let _worker = desk.worker(pool(Fake::new()), 2);

    let apart = TranscribeOptions { channels_apart: true, ..Default::default() };
    let both = desk.hand_in_asking(speech::stereo(40.0, 1, 2), apart).await;
    let left = desk.hand_in(speech::mono(40.0, 1)).await;
    let right = desk.hand_in(speech::mono(40.0, 2)).await;

    let (head, windows) = desk.transcript(&both).await;
    let of_channel = |channel| {
        let its = windows.iter().filter(|window| window.channel == Some(channel)).cloned();
        segments(&its.collect::<Vec<_>>())
    };
    assert_eq!(windows.len(), 4);
    assert_eq!(of_channel(0), segments(&desk.transcript(&left).await.1));
    assert_eq!(of_channel(1), segments(&desk.transcript(&right).await.1));
    assert_eq!(head.duration, Some(40.0));
    assert_eq!(desk.transcript(&left).await.1[0].channel, None);
}

async fn a_restart_goes_on_in_the_right_channel(place: Place) {
    let notes = place.path("notes");
    let desk = place.open().await;
    let apart = TranscribeOptions { channels_apart: true, ..Default::default() };
    let accepted = desk.hand_in_asking(speech::stereo(50.0, 1, 2), apart).await;
    for windows in 1..=3 {
        let crashed = desk.worker(pool(Fake::pausing().noting(&notes)), 1);
        let done = f64::from(windows) * 12.5 - 1.0;
        desk.job_when(&accepted, |job| job.done > done).await;
        drop(crashed);
    }

    let _next = desk.worker(pool(Fake::new().noting(&notes)), 1);
    let (_, windows) = desk.transcript(&accepted).await;

    let channels: Vec<_> = windows.iter().map(|window| window.channel).collect();
    assert_eq!(channels, [Some(0), Some(0), Some(1), Some(1)]);
    assert_eq!(noted(&notes).len(), 4, "{:?}", noted(&notes));
}

async fn identical_audio_is_transcribed_once(place: Place) {
    let notes = place.path("notes");
    let desk = place.open().await;
    let wav = speech::mono(35.0, 9);
    let first = desk.hand_in(wav.clone()).await;
    let second = desk.hand_in(wav.clone()).await;
    let other =
        desk.hand_in_asking(wav, TranscribeOptions { words: true, ..Default::default() }).await;
    let _worker = desk.worker(pool(Fake::new().noting(&notes)), 3);

    let (head, windows) = desk.transcript(&first).await;
    let (copy, copied) = desk.transcript(&second).await;
    desk.transcript(&other).await;

    assert_eq!(windows, copied);
    assert_ne!(head.id, copy.id);
    assert_eq!(noted(&notes).len(), 4, "two windows for each way to ask");
}

async fn workspaces_take_turns(place: Place) {
    let desk = place.open().await;
    let small = desk.store.ensure_workspace("small").await.unwrap();
    let mut many = Vec::new();
    for seed in 0..6 {
        many.push(desk.hand_in(speech::mono(1.0, seed)).await);
    }
    let one = desk.hand_in_for(&small, speech::mono(1.0, 100), TranscribeOptions::default()).await;

    let _worker = desk.worker(pool(Fake::new()), 1);
    let one = desk.ended(&one, JobState::Succeeded).await;

    let mut earlier = 0;
    for accepted in &many {
        let job = desk.ended(accepted, JobState::Succeeded).await;
        earlier += usize::from(job.finished_at < one.finished_at);
    }
    assert!(earlier <= 1, "{earlier} jobs of the busy workspace went first");
}

async fn a_model_of_ones_own_is_refused(place: Place) {
    let desk = place.open().await;
    let _worker = desk.worker(pool(Fake::new()), 1);

    let asked = TranscribeOptions { model: Some("huge".to_owned()), ..Default::default() };
    let accepted = desk.hand_in_asking(speech::mono(1.0, 1), asked).await;
    let job = desk.ended(&accepted, JobState::Failed).await;

    let error = job.error.unwrap();
    assert_eq!(error.code.name(), "engine_unavailable");
    assert_eq!(error.detail, "the model huge is not installed; there is words");
}
