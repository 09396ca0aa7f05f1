//! The description's form. Pure.

use utoipa::openapi::path::{HttpMethod, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, Paths};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{ArrayBuilder, Object, SchemaType};
use utoipa::openapi::{
    ComponentsBuilder, Content, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Required, Response, ResponseBuilder,
    Schema, Server, Type,
};
use utoipa::{PartialSchema, ToSchema};

use super::super::super::{Pending, Problem};
use super::super::answer::PROBLEM_TYPE;
use crate::domain::money::Money;

const DESCRIPTION: &str = "HTTP on the supervisor's Unix socket. Times are RFC 3339 in UTC, money is decimal text. A body is \
JSON; one that is sent as application/x-www-form-urlencoded, as curl -d does, is read as JSON, too.";

impl PartialSchema for Money {
    fn schema() -> RefOr<Schema> {
        let mut text = Object::with_type(Type::String);
        text.description = Some("An amount in the account's currency, such as 10.00".to_owned());
        text.pattern = Some(r"^\d+\.\d{2,6}$".to_owned());
        RefOr::T(Schema::Object(text))
    }
}

impl ToSchema for Money {}

/// One method of one path.
pub(super) struct Described {
    method: HttpMethod,
    path: &'static str,
    summary: &'static str,
    parameters: Vec<Parameter>,
    body: Option<RequestBody>,
    responses: Vec<(String, Response)>,
    /// The types that the others refer to, by name.
    schemas: Vec<(String, RefOr<Schema>)>,
}

impl Described {
    pub(super) fn get(path: &'static str, summary: &'static str) -> Self {
        Self::new(HttpMethod::Get, path, summary)
    }

    pub(super) fn put(path: &'static str, summary: &'static str) -> Self {
        Self::new(HttpMethod::Put, path, summary)
    }

    pub(super) fn post(path: &'static str, summary: &'static str) -> Self {
        Self::new(HttpMethod::Post, path, summary)
    }

    pub(super) fn patch(path: &'static str, summary: &'static str) -> Self {
        Self::new(HttpMethod::Patch, path, summary)
    }

    pub(super) fn delete(path: &'static str, summary: &'static str) -> Self {
        Self::new(HttpMethod::Delete, path, summary)
    }

    fn new(method: HttpMethod, path: &'static str, summary: &'static str) -> Self {
        let ids = path.split(['{', '}']).skip(1).step_by(2);
        let parameters = ids.map(|name| parameter(name, ParameterIn::Path, i64::schema(), "The row's key")).collect();
        Self { method, path, summary, parameters, body: None, responses: Vec::new(), schemas: Vec::new() }
    }

    /// A parameter behind the `?`, which may be left out.
    pub(super) fn query<T: ToSchema>(mut self, name: &str, description: &str) -> Self {
        self.parameters.push(parameter(name, ParameterIn::Query, T::schema(), description));
        self
    }

    /// What the body is.
    pub(super) fn accepts<T: ToSchema>(self) -> Self {
        self.with_body::<T>(Required::True)
    }

    /// The same for a body that may be left out.
    pub(super) fn may_accept<T: ToSchema>(self) -> Self {
        self.with_body::<T>(Required::False)
    }

    fn with_body<T: ToSchema>(mut self, required: Required) -> Self {
        let content = Content::new(Some(self.reference::<T>()));
        self.body =
            Some(RequestBodyBuilder::new().content("application/json", content).required(Some(required)).build());
        self
    }

    /// A JSON answer.
    pub(super) fn answers<T: ToSchema>(mut self, status: u16, description: &str) -> Self {
        let schema = self.reference::<T>();
        self.responds(status, description, "application/json", schema)
    }

    /// A JSON array.
    pub(super) fn answers_list<T: ToSchema>(mut self, status: u16, description: &str) -> Self {
        let schema = self.reference::<T>();
        self.responds(status, description, "application/json", ArrayBuilder::new().items(schema).build())
    }

    /// Something else than JSON.
    pub(super) fn answers_text(self, status: u16, description: &str, content_type: &str) -> Self {
        self.responds(status, description, content_type, Object::with_type(Type::String))
    }

    /// A command that is still on its way after the time in which it is answered otherwise.
    pub(super) fn pending(self) -> Self {
        self.answers::<Pending>(202, "Without effect so far, and going on")
    }

    /// The same, after a time that the request may give.
    pub(super) fn waits_as_preferred(mut self) -> Self {
        let description = "`wait=120`: how many seconds to wait for the effect (RFC 7240)";
        self.parameters.push(parameter("Prefer", ParameterIn::Header, String::schema(), description));
        self.pending()
    }

    /// A refusal.
    pub(super) fn refuses(mut self, status: u16, description: &str) -> Self {
        let schema = self.reference::<Problem>();
        self.responds(status, description, PROBLEM_TYPE, schema)
    }

    fn responds(
        mut self,
        status: u16,
        description: &str,
        content_type: &str,
        schema: impl Into<RefOr<Schema>>,
    ) -> Self {
        let content = Content::new(Some(schema));
        let response = ResponseBuilder::new().description(description).content(content_type, content).build();
        self.responses.push((status.to_string(), response));
        self
    }

    /// Where the type is described; types without fields are described in place.
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

fn parameter(name: &str, place: ParameterIn, schema: RefOr<Schema>, description: &str) -> Parameter {
    let required = if matches!(place, ParameterIn::Path) { Required::True } else { Required::False };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}

/// The whole description.
pub(super) fn document(operations: Vec<Described>) -> OpenApi {
    let mut paths = Paths::new();
    let mut components = ComponentsBuilder::new();
    for operation in operations {
        let Described { method, path, summary, parameters, body, responses, schemas } =
            operation.refuses_the_foreign().refuses_otherwise("Anything else that is wrong");
        let mut built = OperationBuilder::new().summary(Some(summary)).request_body(body);
        built = parameters.into_iter().fold(built, OperationBuilder::parameter);
        built = responses.into_iter().fold(built, |built, (status, response)| built.response(status, response));
        paths.add_path_operation(path, vec![method], built);
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

impl Described {
    /// What every request can be answered with for where it comes from, and every change for how it is sent.
    fn refuses_the_foreign(self) -> Self {
        let is_change = !matches!(self.method, HttpMethod::Get);
        let described = self.refuses(421, "`Host` is none of localhost, 127.0.0.0/8 and [::1]");
        if !is_change {
            return described;
        }
        described
            .refuses(403, "A web page of another site may have sent it, says `Sec-Fetch-Site` or `Origin`")
            .refuses(415, "The body is sent neither as JSON nor as application/x-www-form-urlencoded")
    }

    fn refuses_otherwise(self, description: &str) -> Self {
        let mut refusing = self.refuses(0, description);
        if let Some((status, _)) = refusing.responses.last_mut() {
            "default".clone_into(status);
        }
        refusing
    }
}
