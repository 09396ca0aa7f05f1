//! A route: its path, its handler, and its description for OpenAPI, in one place. Pure.

use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, on};
use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn, Paths};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ArrayBuilder, Object, SchemaType};
use utoipa::openapi::{
    ComponentsBuilder, Content, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Required, ResponseBuilder, Schema,
    Server, Type,
};
use utoipa::{PartialSchema, ToSchema};

use super::super::{Pending, Problem};
use super::Shared;
use super::answer::PROBLEM_TYPE;
use crate::domain::money::Money;

const DESCRIPTION: &str = "HTTP on the supervisor's Unix socket. Times are RFC 3339 in UTC, money is decimal text. A \
body is JSON; a body that is sent as application/x-www-form-urlencoded, as curl -d does, is also read as JSON.";

/// The refusal of every path with a campaign's id.
pub(super) const NO_SUCH_CAMPAIGN: &str = "There is no such campaign";
/// The refusal of a valid command that is not possible at the moment.
pub(super) const NOT_NOW: &str = "Not possible now";

impl PartialSchema for Money {
    fn schema() -> RefOr<Schema> {
        let mut text = Object::with_type(Type::String);
        text.description = Some("An amount in the account's currency, such as 10.00".to_owned());
        text.pattern = Some(r"^\d+\.\d{2,6}$".to_owned());
        RefOr::T(Schema::Object(text))
    }
}

impl ToSchema for Money {}

/// A method for the description, and the same method for the router.
type Verb = (HttpMethod, MethodFilter);

pub(super) const GET: Verb = (HttpMethod::Get, MethodFilter::GET);
pub(super) const PUT: Verb = (HttpMethod::Put, MethodFilter::PUT);
pub(super) const POST: Verb = (HttpMethod::Post, MethodFilter::POST);
pub(super) const PATCH: Verb = (HttpMethod::Patch, MethodFilter::PATCH);
pub(super) const DELETE: Verb = (HttpMethod::Delete, MethodFilter::DELETE);

/// One method of one path.
pub(super) struct Route {
    pub(super) path: &'static str,
    pub(super) handler: MethodRouter<Shared>,
    method: HttpMethod,
    /// The description. A later answer replaces an earlier one with the same status.
    operation: OperationBuilder,
    /// The types that the description refers to, by name.
    schemas: Vec<(String, RefOr<Schema>)>,
}

impl Route {
    pub(super) fn new<H: Handler<T, Shared>, T: 'static>(
        (method, filter): Verb,
        path: &'static str,
        handler: H,
        summary: &'static str,
    ) -> Self {
        let (handler, operation) = (on(filter, handler), OperationBuilder::new().summary(Some(summary)));
        let route = Self { path, handler, method, operation, schemas: Vec::new() };
        if !path.contains("{id}") {
            return route;
        }
        let row = if path.starts_with("/v1/urls/") {
            "There is no such URL"
        } else if path.starts_with("/v1/alerts/") {
            "No open alert has this number"
        } else {
            NO_SUCH_CAMPAIGN
        };
        route.parameter("id", ParameterIn::Path, i64::schema(), "The database id").refuses(404, row).refuses_bad_input()
    }

    /// Adds a query parameter, which may be left out.
    pub(super) fn query<T: ToSchema>(self, name: &str, description: &str) -> Self {
        self.parameter(name, ParameterIn::Query, T::schema(), description).refuses_bad_input()
    }

    fn parameter(mut self, name: &str, place: ParameterIn, schema: RefOr<Schema>, description: &str) -> Self {
        let required = if matches!(place, ParameterIn::Path) { Required::True } else { Required::False };
        let parameter = ParameterBuilder::new().name(name).parameter_in(place).required(required);
        self.operation = self.operation.parameter(parameter.description(Some(description)).schema(Some(schema)));
        self
    }

    /// Adds a required JSON body.
    pub(super) fn accepts<T: ToSchema>(self) -> Self {
        self.with_body::<T>(Required::True)
    }

    /// Adds a JSON body that may be left out.
    pub(super) fn may_accept<T: ToSchema>(self) -> Self {
        self.with_body::<T>(Required::False)
    }

    fn with_body<T: ToSchema>(mut self, required: Required) -> Self {
        let content = Content::new(Some(self.reference::<T>()));
        let body = RequestBodyBuilder::new().content("application/json", content).required(Some(required));
        self.operation = self.operation.request_body(Some(body.build()));
        self.refuses_bad_input()
    }

    /// Adds a JSON answer.
    pub(super) fn answers<T: ToSchema>(mut self, status: u16, description: &str) -> Self {
        let schema = self.reference::<T>();
        self.responds(status, description, "application/json", schema)
    }

    /// Adds an answer that is a JSON array.
    pub(super) fn answers_list<T: ToSchema>(mut self, status: u16, description: &str) -> Self {
        let schema = self.reference::<T>();
        self.responds(status, description, "application/json", ArrayBuilder::new().items(schema).build())
    }

    /// Adds an answer that is not JSON.
    pub(super) fn answers_text(self, status: u16, description: &str, content_type: &str) -> Self {
        self.responds(status, description, content_type, Object::with_type(Type::String))
    }

    /// Adds the answer to a command that has no effect within the server's time.
    pub(super) fn pending(self) -> Self {
        self.answers::<Pending>(202, "No effect so far; the supervisor continues to carry out the command")
    }

    /// Adds the answer to a command that has no effect within the server's time, and the header with which the request
    /// may set that time.
    pub(super) fn waits_as_preferred(self) -> Self {
        let description = "`wait=120`: how many seconds to wait for the effect (RFC 7240)";
        self.parameter("Prefer", ParameterIn::Header, String::schema(), description).pending()
    }

    fn refuses_bad_input(self) -> Self {
        self.refuses(422, "The request is invalid; `field` names the wrong field")
    }

    /// Adds a refusal.
    pub(super) fn refuses(mut self, status: impl ToString, description: &str) -> Self {
        let schema = self.reference::<Problem>();
        self.responds(status, description, PROBLEM_TYPE, schema)
    }

    /// Adds the refusals that every request can get for its origin, and every change for the form of its body.
    fn refuses_as_all_do(self) -> Self {
        let is_change = !matches!(self.method, HttpMethod::Get);
        let refusing =
            self.refuses(421, "`Host` is not localhost, 127.0.0.0/8 or [::1]").refuses("default", "Any other error");
        if !is_change {
            return refusing;
        }
        refusing
            .refuses(403, "A web page of another site may have sent it, according to `Sec-Fetch-Site` or `Origin`")
            .refuses(415, "The body is sent neither as JSON nor as application/x-www-form-urlencoded")
    }

    fn responds(
        mut self,
        status: impl ToString,
        description: &str,
        content_type: &str,
        schema: impl Into<RefOr<Schema>>,
    ) -> Self {
        let content = Content::new(Some(schema));
        let response = ResponseBuilder::new().description(description).content(content_type, content).build();
        self.operation = self.operation.response(status.to_string(), response);
        self
    }

    /// Returns a reference to the description of a type; a type without fields is described in place.
    fn reference<T: ToSchema>(&mut self) -> RefOr<Schema> {
        T::schemas(&mut self.schemas);
        let schema = T::schema();
        let is_named = match &schema {
            RefOr::T(Schema::Object(object)) => !matches!(object.schema_type, SchemaType::AnyValue),
            RefOr::T(_) => true,
            RefOr::Ref(_) => false,
        };
        if !is_named {
            return schema;
        }
        let name = T::name().into_owned();
        self.schemas.push((name.clone(), schema));
        RefOr::Ref(Ref::from_schema_name(name))
    }
}

/// Returns the whole description.
pub(super) fn document(routes: Vec<Route>) -> OpenApi {
    let mut paths = Paths::new();
    let mut components = ComponentsBuilder::new();
    for route in routes {
        let Route { method, path, operation, schemas, .. } = route.refuses_as_all_do();
        paths.add_path_operation(path, vec![method], operation);
        components = components.schemas_from_iter(schemas);
    }
    let info = InfoBuilder::new()
        .title("Traffic Generator's control API")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .build();
    OpenApiBuilder::new()
        .info(info)
        .servers(Some([Server::new("http://localhost")]))
        .paths(paths)
        .components(Some(components.build()))
        .build()
}
