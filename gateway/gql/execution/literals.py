"""The check of literal values in documents. Does no I/O."""

from typing import Any

from graphql import (
    ArgumentNode,
    GraphQLError,
    ValidationRule,
    ValueNode,
    VariableDefinitionNode,
    VariableNode,
)
from graphql.type import GraphQLInputType
from graphql.utilities import validate_input_literal


class NamedValuesRule(ValidationRule):
    """Replaces graphql-core's ValuesOfCorrectTypeRule, and names the argument.

    The messages have the form of those for variables. A scalar's own message has a
    location too, which the scalar does not know.
    """

    def enter_argument(self, node: ArgumentNode, *_args: Any) -> None:
        argument = self.context.get_argument()
        if argument is not None and not isinstance(node.value, VariableNode):
            self._check(f"Argument '{node.name.value}'", node.value, argument.type)

    def enter_variable_definition(self, node: VariableDefinitionNode, *_args: Any) -> None:
        type_ = self.context.get_input_type()
        if type_ is not None and node.default_value is not None:
            name = node.variable.name.value
            self._check(f"The default of variable '${name}'", node.default_value, type_)

    def _check(self, what: str, value: ValueNode, type_: GraphQLInputType) -> None:
        def report(error: GraphQLError, path: list[str | int]) -> None:
            at = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
            where = f"{what} has invalid value at {at}" if at else f"{what} has invalid value"
            self.report_error(GraphQLError(f"{where}: {error.message}", error.nodes or value))

        validate_input_literal(value, type_, report, hide_suggestions=self.context.hide_suggestions)
