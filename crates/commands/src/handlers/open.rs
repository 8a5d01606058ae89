//! The command for files and links that the system asked the app to open.
//!
//! Not here: how links are read (`carrel_client::open_request`).

use carrel_client::open_request::{Link, OpenRequest};

use super::Result;
use crate::{
    api::{
        app::Empty,
        open::{OpenRequestList, OpenRequestView},
    },
    host::Host,
};

pub async fn take_open_requests(host: &dyn Host, _: Empty) -> Result<OpenRequestList> {
    let requests = host.open_requests().map(|waiting| waiting.take()).unwrap_or_default();
    Ok(OpenRequestList { requests: requests.into_iter().map(view).collect() })
}

fn view(request: OpenRequest) -> OpenRequestView {
    match request {
        OpenRequest::File(path) => OpenRequestView::File {
            name: path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
            path: path.to_string_lossy().into_owned(),
        },
        OpenRequest::ChooseFile => OpenRequestView::ChooseFile,
        OpenRequest::Link(Link::Server { server }) => OpenRequestView::Server { server },
        OpenRequest::Link(Link::Course { course, server }) => {
            OpenRequestView::Course { course, server }
        }
        OpenRequest::Link(Link::Enrol { server, token }) => {
            OpenRequestView::Enrol { server, token }
        }
        OpenRequest::Link(Link::SignIn { server, code }) => {
            OpenRequestView::SignIn { server, code }
        }
        OpenRequest::Refused { shown, error } => {
            OpenRequestView::Refused { shown, reason: error.reason().to_owned() }
        }
    }
}

#[cfg(test)]
mod tests {
    use carrel_client::open_request::LinkError;

    use super::*;

    #[test]
    fn each_request_has_its_view() {
        let json =
            |text: &str| serde_json::to_value(view(OpenRequest::of_link(text))).expect("JSON");
        assert_eq!(
            json("file:///media/noor/My%20course.carrel"),
            serde_json::json!({ "kind": "file", "path": "/media/noor/My course.carrel", "name": "My course.carrel" })
        );
        assert_eq!(
            json("carrel://server?url=school.example"),
            serde_json::json!({ "kind": "server", "server": "school.example" })
        );
        assert_eq!(
            json("carrel://course/rivers"),
            serde_json::json!({ "kind": "course", "course": "rivers", "server": null })
        );
        assert_eq!(
            json("carrel://enrol?server=school.example&token=a1"),
            serde_json::json!({ "kind": "enrol", "server": "school.example", "token": "a1" })
        );
        assert_eq!(
            json("carrel://sign-in?server=school.example&code=2Z2Z-9ABC-DEFG"),
            serde_json::json!({ "kind": "sign_in", "server": "school.example", "code": "2Z2Z-9ABC-DEFG" })
        );
        let refused = OpenRequest::Refused { shown: "x".into(), error: LinkError::Scheme };
        assert_eq!(
            serde_json::to_value(view(refused)).expect("JSON"),
            serde_json::json!({ "kind": "refused", "shown": "x", "reason": "scheme" })
        );
    }
}
