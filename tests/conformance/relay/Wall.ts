// Relay's conventions: connections, pagination, refetching by node, and a mutation and a subscription
// whose objects update its store.
import { graphql } from "relay-runtime";

graphql`
  query WallQuery {
    ...Wall_rooms
    viewer { id scopes }
  }
`;

graphql`
  fragment Wall_rooms on Query
  @argumentDefinitions(first: { type: "Int", defaultValue: 20 }, after: { type: "String" })
  @refetchable(queryName: "WallRoomsPaginationQuery") {
    rooms(first: $first, after: $after) @connection(key: "Wall_rooms") {
      edges { node { id ...Wall_room } }
    }
  }
`;

graphql`
  fragment Wall_room on Room @refetchable(queryName: "WallRoomRefetchQuery") {
    status
    uniqueName
    participantCount
    presence { id participantCount participants { id participant { id identity } isMuted } }
  }
`;

graphql`
  subscription WallEventsSubscription($room: RoomRef, $after: String) {
    roomEvents(room: $room, after: $after) {
      cursor
      ... on RoomEvent { id room { id status ...Wall_room } }
      ... on ParticipantEvent { participant { id status } }
      ... on PublishedTrackEvent { track { id isMuted } }
      ... on StreamStarted { mode watchedRoom }
      ... on ResyncRequired { reason }
    }
  }
`;

graphql`
  mutation WallCreateRoomMutation($input: CreateRoomInput!, $connections: [ID!]!) {
    createRoom(input: $input) {
      room @appendNode(connections: $connections, edgeTypeName: "RoomEdge") { id ...Wall_room }
      created
      errors { __typename code message ... on NameTaken { room { id } } }
    }
  }
`;
