//! The layer before every service: identity from the connection, role from the table, default deny.

use super::table::{Role, role_for};
use super::{Clock, Peer};
use crate::authority::audit_text;
use crate::authority::{AuditEvent, AuditSink, Authority, Identity};
use futures_util::future::{Either, Ready, ready};
use http::{Request, Response, StatusCode, header};
use std::sync::Arc;
use std::task::{Context, Poll};
use tonic::Status;
use tower::{Layer, Service};

/// Puts the check in front of whatever it wraps.
#[derive(Clone)]
pub struct Authorise {
    authority: Arc<Authority>,
    audit: AuditSink,
    clock: Clock,
}

impl std::fmt::Debug for Authorise {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authorise")
            .field("lab", self.authority.lab())
            .finish_non_exhaustive()
    }
}

impl Authorise {
    /// Checks against `authority`; refusals go to `audit`.
    pub fn new(authority: Arc<Authority>, audit: AuditSink, clock: Clock) -> Self {
        Self {
            authority,
            audit,
            clock,
        }
    }

    /// Whether the caller may go on, and if not, what it is told.
    fn decide(&self, peer: Option<&Peer>, path: &str) -> Result<(), Status> {
        let peer = peer.ok_or_else(|| Status::unauthenticated("no peer is known"))?;
        let role = self.role(peer);
        if !role_for(path).contains(&role) {
            return Err(Status::permission_denied(format!(
                "{role:?} may not call this method"
            )));
        }
        match &peer.identity {
            Some(Identity::Node(node)) => self
                .authority
                .check(node)
                .map_err(|denied| Status::unauthenticated(denied.to_string())),
            _ => Ok(()),
        }
    }

    fn role(&self, peer: &Peer) -> Role {
        match &peer.identity {
            None => Role::Anonymous,
            Some(Identity::Node(_)) if peer.expired((self.clock)()) => Role::ExpiredNode,
            Some(Identity::Node(_)) => Role::Node,
            Some(Identity::Operator(_)) => Role::Operator,
        }
    }
}

impl<S> Layer<S> for Authorise {
    type Service = Authorised<S>;

    fn layer(&self, inner: S) -> Authorised<S> {
        Authorised {
            inner,
            rule: self.clone(),
        }
    }
}

/// A service behind [`Authorise`].
#[derive(Debug, Clone)]
pub struct Authorised<S> {
    inner: S,
    rule: Authorise,
}

impl<S, B, R> Service<Request<B>> for Authorised<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Response<R>, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let peer = request.extensions().get::<Peer>();
        match self.rule.decide(peer, request.uri().path()) {
            Ok(()) => Either::Left(self.inner.call(request)),
            Err(status) => {
                self.rule.audit.record([AuditEvent::CallDenied {
                    actor: peer.map_or_else(String::new, Peer::label),
                    method: audit_text(request.uri().path()),
                    reason: status.message().to_owned(),
                }]);
                let mut response: Response<R> = status.into_http();
                if !is_grpc(&request) {
                    // A plain client knows the HTTP status only; gRPC's own reply would look like an empty success.
                    *response.status_mut() = StatusCode::FORBIDDEN;
                }
                Either::Right(ready(Ok(response)))
            }
        }
    }
}

fn is_grpc<B>(request: &Request<B>) -> bool {
    let kind = request.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::TABLE;
    use crate::net::harness::Yard;
    use model::moment::Moment;
    use tower::ServiceExt;

    /// The complete matrix, through the layer itself: each role on each method, and on one that nobody may call.
    #[tokio::test]
    async fn each_role_passes_exactly_where_the_table_says() {
        let mut yard = Yard::start();
        let node = yard.credentials("app1-worker");
        let identity = Identity::from_certificate(yard.authority.lab(), &node.chain[0]).expect("ours");
        let operator = Identity::Operator(crate::authority::OperatorName::new("jane").expect("valid"));
        let (sink, mut audit) = AuditSink::channel(100);
        let rule = Authorise::new(Arc::clone(&yard.authority), sink, Arc::clone(&yard.network.clock));
        let service = rule.layer(tower::service_fn(async |_: Request<()>| {
            Ok::<_, std::convert::Infallible>(Response::new("through"))
        }));
        let (mut passed, mut refused) = (0, 0);
        let paths = TABLE
            .iter()
            .map(|(path, _)| *path)
            .chain(["/drillyard.v1.Operator/Unknown", "/agent/x"]);
        for path in paths {
            for role in Role::ALL {
                let (identity, expires) = match role {
                    Role::Anonymous => (None, None),
                    Role::Node => (Some(identity.clone()), Some(yard.now().plus_millis(60_000))),
                    Role::ExpiredNode => (Some(identity.clone()), Some(Moment(0))),
                    Role::Operator => (Some(operator.clone()), None),
                };
                let remote = ([127, 0, 0, 1], 1).into();
                let peer = Peer {
                    remote,
                    identity,
                    expires,
                    cut: Default::default(),
                };
                let request = Request::builder()
                    .uri(path)
                    .extension(peer)
                    .body(())
                    .expect("request");
                let reply = service.clone().oneshot(request).await.expect("infallible");
                let through = *reply.body() == "through";
                assert_eq!(through, role_for(path).contains(&role), "{role:?} on {path}");
                *(if through { &mut passed } else { &mut refused }) += 1;
            }
        }
        assert_eq!(
            (passed, refused),
            (29, 87),
            "the matrix changed; check it and these figures"
        );
        for _ in 0..refused {
            assert!(audit.try_recv().is_ok(), "a refusal left no trace");
        }
        let request = Request::builder()
            .uri("/drillyard.v1.Enrolment/Enrol")
            .body(())
            .expect("request");
        let reply = service.oneshot(request).await.expect("infallible");
        assert_ne!(*reply.body(), "through", "somebody without a peer got through");
        yard.events.close();
    }
}
