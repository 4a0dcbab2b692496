use crate::reader::Reader;
use crate::sections::S3Config;
use crate::setting::{default, section, unset};
use crate::value::Choice;

section! {
    /// Where recordings lie.
    pub struct MediaConfig: "media" {
        /// `local` is the folder `media` in `store.data_dir`; `s3` is a bucket, reached as section `s3` says.
        place: MediaPlace = default("local"),

        /// Bucket for recordings.
        /// Unless set, it is `s3.bucket`.
        bucket: Option<String> = unset("recordings"),

        /// What the keys of all objects in the bucket begin with.
        prefix: String = default("hansard/"),
    }
}

/// Where recordings lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaPlace {
    /// In a folder.
    Local,
    /// In a bucket.
    S3,
}

impl Choice for MediaPlace {
    const CHOICES: &'static [(&'static str, Self)] = &[("local", Self::Local), ("s3", Self::S3)];
}

impl MediaConfig {
    /// The bucket for recordings; with [`MediaPlace::S3`] there is one.
    pub fn bucket<'a>(&'a self, s3: &'a S3Config) -> Option<&'a str> {
        self.bucket.as_deref().or(s3.bucket.as_deref())
    }

    pub(crate) fn check(&self, s3: &S3Config, reader: &mut Reader) {
        if self.place == MediaPlace::S3 && self.bucket(s3).is_none() {
            reader.refuse_together(
                &["media.place", "media.bucket", "s3.bucket"],
                "recordings in S3 need media.bucket or s3.bucket",
            );
        }
    }
}
