//! Trouble on the way: throttles, errors, connections that break, credentials that expire, redirects.

use crate::source::recording::misbehave::Misbehaviour;
use crate::source::recording::misbehave::Truth::Same;
use crate::source::recording::{Fault, SceneEnd};

/// See the header.
pub(super) const TROUBLE: &[Misbehaviour] = &[
    Misbehaviour {
        name: "throttle_with_retry_after",
        sentence: "429 with Retry-After before a page",
        outcomes: &[0],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.first(at, 429, &[("retry-after", "2")], "{\"message\":\"try again\"}");
            Some(Same)
        },
    },
    Misbehaviour {
        name: "throttle_with_a_date",
        sentence: "429 with Retry-After as a date before a page",
        outcomes: &[0],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.first(
                at,
                429,
                &[("retry-after", "Sun, 22 Nov 2026 09:00:30 GMT"), ("date", "Sun, 22 Nov 2026 09:00:00 GMT")],
                "{\"message\":\"try again\"}",
            );
            Some(Same)
        },
    },
    Misbehaviour {
        name: "throttle_without_retry_after",
        sentence: "429 without Retry-After before a page",
        outcomes: &[0, 75],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.first(at, 429, &[], "{\"message\":\"try again\"}");
            Some(Same)
        },
    },
    Misbehaviour {
        name: "throttle_burst",
        sentence: "five times 429 with Retry-After before a page",
        outcomes: &[0],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            (0..5).for_each(|_| story.first(at, 429, &[("retry-after", "3")], "{}"));
            Some(Same)
        },
    },
    Misbehaviour {
        name: "throttle_each_page",
        sentence: "429 with Retry-After before every page",
        outcomes: &[0],
        undeclared: None,
        play: |story| {
            for page in 0..story.pages.len() {
                let at = story.pages[page];
                story.first(at, 429, &[("retry-after", "1")], "{}");
            }
            story.any().map(|_| Same)
        },
    },
    Misbehaviour {
        name: "throttle_forever",
        sentence: "429 with Retry-After, however long one waits",
        outcomes: &[75],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.always(at, 429, &[("retry-after", "5")], "{\"message\":\"no\"}");
            Some(Same)
        },
    },
    Misbehaviour {
        name: "throttle_for_a_week",
        sentence: "429 that asks to come back in a week",
        outcomes: &[75],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.always(at, 429, &[("retry-after", "604800")], "{\"message\":\"no\"}");
            Some(Same)
        },
    },
    Misbehaviour {
        name: "throttle_as_forbidden",
        sentence: "403 that says the rate limit is exceeded, with a reset",
        outcomes: &[0, 4, 75],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.first(
                at,
                403,
                &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "30"), ("retry-after", "30")],
                "{\"message\":\"API rate limit exceeded\"}",
            );
            Some(Same)
        },
    },
    Misbehaviour {
        name: "throttle_in_the_body",
        sentence: "200 with an error of too many requests once instead of a page",
        outcomes: &[0, 3, 75],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.first(at, 200, &[], "{\"error\":{\"code\":429,\"message\":\"Too many requests\"}}");
            Some(Same)
        },
    },
    Misbehaviour {
        name: "server_error",
        sentence: "500 before a page",
        outcomes: &[0, 75],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.first(at, 500, &[], "{\"message\":\"try again\"}");
            Some(Same)
        },
    },
    Misbehaviour {
        name: "bad_gateway",
        sentence: "502 with a page of HTML before a page",
        outcomes: &[0, 75],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.first(
                at,
                502,
                &[("content-type", "text/html")],
                "<!doctype html><html><body>We will be right back</body></html>",
            );
            Some(Same)
        },
    },
    Misbehaviour {
        name: "unavailable_with_retry_after",
        sentence: "503 with Retry-After before a page",
        outcomes: &[0, 75],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.first(at, 503, &[("retry-after", "4")], "{\"message\":\"try again\"}");
            Some(Same)
        },
    },
    Misbehaviour {
        name: "gateway_timeout",
        sentence: "504 before a page",
        outcomes: &[0, 75],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.first(at, 504, &[], "");
            Some(Same)
        },
    },
    Misbehaviour {
        name: "error_each_page",
        sentence: "503 before every page",
        outcomes: &[0, 75],
        undeclared: None,
        play: |story| {
            for page in 0..story.pages.len() {
                let at = story.pages[page];
                story.first(at, 503, &[], "{}");
            }
            story.any().map(|_| Same)
        },
    },
    Misbehaviour {
        name: "errors_forever",
        sentence: "500 for a page, however often it is asked for",
        outcomes: &[75],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.always(at, 500, &[], "{\"message\":\"no\"}");
            Some(Same)
        },
    },
    Misbehaviour {
        name: "unknown_status",
        sentence: "520 before a page",
        outcomes: &[0, 3, 75],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.first(at, 520, &[], "");
            Some(Same)
        },
    },
    Misbehaviour {
        name: "cut_before_the_body",
        sentence: "the connection breaks before the first byte of a body",
        outcomes: &[0, 75],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            let keep = 0;
            story.first_by(at, |scene| {
                scene.body = scene.body.slice(..keep.min(scene.body.len()));
                scene.end = SceneEnd::Broken(Fault::reset());
            });
            Some(Same)
        },
    },
    Misbehaviour {
        name: "cut_in_the_middle",
        sentence: "the connection breaks in the middle of a body",
        outcomes: &[0, 75],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            let keep = story.scenes[at].body.len() / 2;
            story.first_by(at, |scene| {
                scene.body = scene.body.slice(..keep.min(scene.body.len()));
                scene.end = SceneEnd::Broken(Fault::reset());
            });
            Some(Same)
        },
    },
    Misbehaviour {
        name: "cut_anywhere",
        sentence: "the connection breaks somewhere in a body",
        outcomes: &[0, 75],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            let keep = story.below(story.scenes[at].body.len());
            story.first_by(at, |scene| {
                scene.body = scene.body.slice(..keep.min(scene.body.len()));
                scene.end = SceneEnd::Broken(Fault::reset());
            });
            Some(Same)
        },
    },
    Misbehaviour {
        name: "cut_before_the_last_byte",
        sentence: "the connection breaks one byte before the end of a body",
        outcomes: &[0, 75],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            let keep = story.scenes[at].body.len().saturating_sub(1);
            story.first_by(at, |scene| {
                scene.body = scene.body.slice(..keep.min(scene.body.len()));
                scene.end = SceneEnd::Broken(Fault::reset());
            });
            Some(Same)
        },
    },
    Misbehaviour {
        name: "cut_after_the_last_byte",
        sentence: "the connection breaks behind the last byte of a body",
        outcomes: &[0, 75],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            let keep = story.scenes[at].body.len();
            story.first_by(at, |scene| {
                scene.body = scene.body.slice(..keep.min(scene.body.len()));
                scene.end = SceneEnd::Broken(Fault::reset());
            });
            Some(Same)
        },
    },
    Misbehaviour {
        name: "cut_forever",
        sentence: "the connection breaks in the middle of a page, however often it is asked for",
        outcomes: &[75],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            let keep = story.scenes[at].body.len() / 2;
            story.always_by(at, |scene| {
                scene.body = scene.body.slice(..keep.min(scene.body.len()));
                scene.end = SceneEnd::Broken(Fault::reset());
            });
            Some(Same)
        },
    },
    Misbehaviour {
        name: "reset",
        sentence: "the connection is reset before an answer",
        outcomes: &[0, 75],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.fails(at, Fault::reset());
            Some(Same)
        },
    },
    Misbehaviour {
        name: "reset_twice",
        sentence: "the connection is reset before an answer, twice",
        outcomes: &[0, 75],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            (0..2).for_each(|_| story.fails(at, Fault::reset()));
            Some(Same)
        },
    },
    Misbehaviour {
        name: "reset_forever",
        sentence: "the connection is reset before every answer to a page",
        outcomes: &[75],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.always_by(at, |scene| scene.answer = Err(Fault::reset()));
            Some(Same)
        },
    },
    Misbehaviour {
        name: "refused_connection",
        sentence: "nobody listens for a moment",
        outcomes: &[0, 75],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.fails(at, Fault::refused());
            Some(Same)
        },
    },
    Misbehaviour {
        name: "silence",
        sentence: "no answer comes in time, once",
        outcomes: &[0, 75],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.fails(at, Fault::timeout());
            Some(Same)
        },
    },
    Misbehaviour {
        name: "silence_forever",
        sentence: "no answer to a page ever comes in time",
        outcomes: &[75],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.always_by(at, |scene| scene.answer = Err(Fault::timeout()));
            Some(Same)
        },
    },
    Misbehaviour {
        name: "slow_body_that_stops",
        sentence: "a body stops in its middle until the time is up",
        outcomes: &[0, 75],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            let keep = story.scenes[at].body.len() / 2;
            story.first_by(at, |scene| {
                scene.body = scene.body.slice(..keep.min(scene.body.len()));
                scene.end = SceneEnd::Broken(Fault::timeout());
            });
            Some(Same)
        },
    },
    Misbehaviour {
        name: "token_expired",
        sentence: "401 once before a page",
        outcomes: &[0, 4],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.first(
                at,
                401,
                &[("www-authenticate", "Bearer error=\"invalid_token\"")],
                "{\"error\":\"invalid_token\",\"error_description\":\"The access token expired\"}",
            );
            Some(Same)
        },
    },
    Misbehaviour {
        name: "token_refused_forever",
        sentence: "401 for a page, however often a token is renewed",
        outcomes: &[4],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.always(at, 401, &[], "{\"error\":\"invalid_token\"}");
            Some(Same)
        },
    },
    Misbehaviour {
        name: "forbidden",
        sentence: "403 for a page",
        outcomes: &[4, 20],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.always(at, 403, &[], "{\"message\":\"no\"}");
            Some(Same)
        },
    },
    Misbehaviour {
        name: "not_found",
        sentence: "404 for a page in the middle",
        outcomes: &[3],
        undeclared: None,
        play: |story| {
            let page = story.later()?;
            let at = story.pages[page];
            story.always(at, 404, &[], "{}");
            Some(Same)
        },
    },
    Misbehaviour {
        name: "gone",
        sentence: "410 for a page in the middle",
        outcomes: &[0, 3],
        undeclared: None,
        play: |story| {
            let page = story.later()?;
            let at = story.pages[page];
            story.always(at, 410, &[], "{\"message\":\"cursor expired\"}");
            Some(Same)
        },
    },
    Misbehaviour {
        name: "bad_request",
        sentence: "400 for a page in the middle",
        outcomes: &[3],
        undeclared: None,
        play: |story| {
            let page = story.later()?;
            let at = story.pages[page];
            story.always(at, 400, &[], "{}");
            Some(Same)
        },
    },
    Misbehaviour {
        name: "accepted",
        sentence: "202 without records once instead of a page",
        outcomes: &[0, 3, 75],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.first(at, 202, &[], "{\"status\":\"pending\"}");
            Some(Same)
        },
    },
    Misbehaviour {
        name: "redirect_to_login",
        sentence: "302 to a page where people sign in",
        outcomes: &[4],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.always(at, 302, &[("location", "/login?next=/")], "");
            Some(Same)
        },
    },
    Misbehaviour {
        name: "redirect_to_another_host",
        sentence: "302 to a host that nobody named",
        outcomes: &[3],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.always(at, 302, &[("location", "https://elsewhere.invalid/records")], "");
            Some(Same)
        },
    },
    Misbehaviour {
        name: "redirect_loop",
        sentence: "302 from a page to itself",
        outcomes: &[3],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            let to = story.scenes[at].request.url.clone();
            story.always(at, 302, &[("location", to.as_str())], "");
            Some(Same)
        },
    },
];
