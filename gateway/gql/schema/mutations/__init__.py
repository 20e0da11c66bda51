"""Mutations: one input and one payload each, with the expected errors as data."""

from gateway.gql.schema.mutations import participants as participants
from gateway.gql.schema.mutations import recordings as recordings
from gateway.gql.schema.mutations import rooms as rooms
from gateway.gql.schema.mutations import tokens as tokens
from gateway.gql.schema.mutations import transcriptions as transcriptions
