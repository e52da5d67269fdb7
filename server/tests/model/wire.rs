//! Requests as bytes, and a connection that lives as long as the server lets it: what one request leaves behind would
//! spoil the next.

use crate::ask::{Ask, At, How, If, Listing, Op, UploadAt};
use crate::client::{Client, Request, Response, base64, md5, read};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// An id of an upload that never was.
const NO_UPLOAD: &str = "00000000000000000000000000000000";
/// No answer takes as long.
const ANSWER_WAIT: Duration = Duration::from_secs(60);

/// A request ready to be sent.
pub struct Message {
    pub bytes: Vec<u8>,
    pub head_only: bool,
}

/// The request of `ask`, signed as `client` signs. `ids` are the uploads' ids by their number.
pub fn message(client: &Client, ask: &Ask, ids: &[String]) -> Message {
    let request = request(client, &ask.op, ids);
    let signed = match ask.link {
        true => request.sign_in_query(600),
        false => request.sign(),
    };
    Message {
        bytes: [signed.head, signed.body].concat(),
        head_only: ask.op.is_head(),
    }
}

fn path(at: &At) -> String {
    format!("/{}/{}", at.bucket, at.key)
}

fn request(client: &Client, op: &Op, ids: &[String]) -> Request {
    let ask = |method: &str, target: String| client.request(method, &target);
    let in_bucket = |method, bucket: &String, query: &str| ask(method, format!("/{bucket}{query}"));
    let on_object = |method, at, query: &str| ask(method, path(at) + query);
    match op {
        Op::ListBuckets => ask("GET", "/".to_owned()),
        Op::CreateBucket(bucket) => in_bucket("PUT", bucket, ""),
        Op::HeadBucket(bucket) => in_bucket("HEAD", bucket, ""),
        Op::DeleteBucket(bucket) => in_bucket("DELETE", bucket, ""),
        Op::GetBucketLocation(bucket) => in_bucket("GET", bucket, "?location"),
        Op::GetBucketVersioning(bucket) => in_bucket("GET", bucket, "?versioning"),
        Op::GetBucketAcl(bucket) => in_bucket("GET", bucket, "?acl"),
        Op::PutBucketAcl(bucket, public) => acl(in_bucket("PUT", bucket, "?acl"), *public),
        Op::List(bucket, Listing::V1) => in_bucket("GET", bucket, ""),
        Op::List(bucket, Listing::V2) => in_bucket("GET", bucket, "?list-type=2"),
        Op::List(bucket, Listing::Versions) => in_bucket("GET", bucket, "?versions"),
        Op::ListMultipartUploads(bucket) => in_bucket("GET", bucket, "?uploads"),
        Op::DeleteObjects(bucket, keys) => {
            let keys = keys
                .iter()
                .map(|key| format!("<Object><Key>{key}</Key></Object>"));
            let body = format!("<Delete>{}</Delete>", keys.collect::<String>()).into_bytes();
            let request = in_bucket("POST", bucket, "?delete");
            request
                .header("content-md5", &base64(&md5(&body)))
                .body(&body)
        }
        Op::Put(at, bytes, public, condition) => {
            let request = on_object("PUT", at, "").body(&bytes.0);
            let request = if *public { acl(request, true) } else { request };
            match condition {
                If::Always => request,
                If::Absent => request.header("if-none-match", "*"),
                If::Match(etag) => request.header("if-match", &format!("\"{etag}\"")),
            }
        }
        Op::Get(at, how) => read_request(client, at, how),
        Op::Delete(at) => on_object("DELETE", at, ""),
        Op::Copy {
            from,
            to,
            public,
            replace,
        } => {
            let request = on_object("PUT", to, "").header("x-amz-copy-source", &path(from));
            let request = if *public { acl(request, true) } else { request };
            match replace {
                true => request.header("x-amz-metadata-directive", "REPLACE"),
                false => request,
            }
        }
        Op::GetObjectAcl(at) => on_object("GET", at, "?acl"),
        Op::PutObjectAcl(at, public) => acl(on_object("PUT", at, "?acl"), *public),
        Op::GetObjectTagging(at) => on_object("GET", at, "?tagging"),
        Op::Unknown(method, bucket, key, query) => {
            let key = key
                .as_ref()
                .map(|key| format!("/{key}"))
                .unwrap_or_default();
            ask(method, format!("/{bucket}{key}{query}"))
        }
        _ => on_upload(client, op, ids),
    }
}

fn read_request(client: &Client, at: &At, how: &How) -> Request {
    let ask = |method: &str, query: &str| client.request(method, &(path(at) + query));
    match how {
        How::Whole => ask("GET", ""),
        How::Head => ask("HEAD", ""),
        How::FirstByte => ask("GET", "").header("range", "bytes=0-0"),
        How::Unless(etag) => ask("GET", "").header("if-none-match", &format!("\"{etag}\"")),
        How::Version => ask("GET", "?versionId=null"),
        How::Override => ask("GET", "?response-content-type=text%2Fplain"),
    }
}

fn on_upload(client: &Client, op: &Op, ids: &[String]) -> Request {
    let ask = |method: &str, upload: &UploadAt, more: &str| {
        let id = ids.get(upload.number).map_or(NO_UPLOAD, String::as_str);
        client.request(method, &format!("{}?{more}uploadId={id}", path(&upload.at)))
    };
    match op {
        Op::CreateMultipartUpload(at, public) => {
            let request = client.request("POST", &format!("{}?uploads", path(at)));
            if *public { acl(request, true) } else { request }
        }
        Op::UploadPart(upload, number, bytes) => {
            ask("PUT", upload, &format!("partNumber={number}&")).body(&bytes.0)
        }
        Op::UploadPartCopy(upload, number, from) => {
            let request = ask("PUT", upload, &format!("partNumber={number}&"));
            request.header("x-amz-copy-source", &path(from))
        }
        Op::ListParts(upload) => ask("GET", upload, ""),
        Op::CompleteMultipartUpload(upload, parts) => {
            let parts = parts.iter().map(|(number, etag)| {
                format!("<Part><PartNumber>{number}</PartNumber><ETag>\"{etag}\"</ETag></Part>")
            });
            let parts: String = parts.collect();
            let body = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
            ask("POST", upload, "").body(body.as_bytes())
        }
        Op::AbortMultipartUpload(upload) => ask("DELETE", upload, ""),
        other => unreachable!("{other:?} is not on an upload"),
    }
}

fn acl(request: Request, public: bool) -> Request {
    request.header("x-amz-acl", if public { "public-read" } else { "private" })
}

/// A connection, opened when there is none.
pub struct Line {
    address: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
    /// How many were opened.
    pub opened: u64,
}

impl Line {
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            stream: None,
            opened: 0,
        }
    }

    /// Sends one request and reads its answer. An error if the connection is not what it should be afterwards.
    pub async fn exchange(&mut self, message: &Message) -> Result<Response, String> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                self.opened += 1;
                let stream = TcpStream::connect(self.address).await.unwrap();
                stream.set_nodelay(true).unwrap();
                BufReader::new(stream)
            }
        };
        let sent = stream.get_mut().write_all(&message.bytes).await;
        let answer = tokio::time::timeout(ANSWER_WAIT, read(&mut stream, message.head_only));
        let response = answer.await.map_err(|_| "no answer came".to_owned())?;
        if response.status == 0 {
            return Err(format!(
                "the connection was closed without an answer ({sent:?})"
            ));
        }
        if !response.complete {
            return Err("the answer is shorter than announced".to_owned());
        }
        if !stream.buffer().is_empty() {
            return Err("something follows the answer".to_owned());
        }
        if response.header("connection") != Some("close") {
            sent.map_err(|error| format!("the request could not be sent: {error}"))?;
            self.stream = Some(stream);
        }
        Ok(response)
    }
}
