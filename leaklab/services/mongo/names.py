"""What MongoDB has by name: commands and their fields, stages, accumulators, expressions.

It tells what is no part of MongoDB, and gets the real server's error, from what the embedded server has not.
Source: MongoDB manual, "Database Commands" (and the page of each command, for its fields), "Aggregation Stages",
"Aggregation Operators"; the lists hold what later releases have as well.
"""

from __future__ import annotations

OTHER_COMMANDS = frozenset({
    "abortTransaction", "authenticate", "bulkWrite", "cloneCollectionAsCapped", "collMod", "collStats",
    "commitTransaction", "compact", "connPoolStats", "connectionStatus", "convertToCapped", "createRole", "createUser",
    "currentOp", "dataSize", "dbHash", "dbStats", "dropConnections", "dropUser", "explain", "filemd5", "fsync",
    "fsyncUnlock", "getAuditConfig", "getCmdLineOpts", "getDefaultRWConcern", "getLog", "getParameter", "grantRole",
    "hostInfo", "killAllSessions", "killAllSessionsByPattern", "killOp", "killSessions", "listCommands", "lockInfo",
    "logRotate", "logout", "mapReduce", "planCacheClear", "planCacheClearFilters", "planCacheListFilters",
    "planCacheSetFilter", "profile", "reIndex", "refreshSessions", "renameCollection", "replSetGetConfig",
    "replSetGetStatus", "replSetInitiate", "rolesInfo", "rotateCertificates", "saslContinue", "saslStart",
    "setFeatureCompatibilityVersion", "setIndexCommitQuorum", "setParameter", "setUserWriteBlockMode", "shutdown",
    "startSession", "top", "updateUser", "usersInfo", "validate", "validateDBMetadata", "whatsmyuri",
})  # fmt: skip
"""Commands of a standalone server that the embedded one has not."""

# Source: the manual's page of each of these, and MongoDB's generic_argument.idl for what every command takes.
_EVERYWHERE = frozenset({
    "$audit", "$client", "$clusterTime", "$configServerState", "$configTime", "$db", "$oplogQueryData",
    "$queryOptions", "$readPreference", "$replData", "$tenant", "$topologyTime", "allowImplicitCollectionCreation",
    "apiDeprecationErrors", "apiStrict", "apiVersion", "autocommit", "clientOperationKey", "comment", "coordinator",
    "databaseVersion", "expectPrefix", "lsid", "maxTimeMS", "maxTimeMSOpOnly", "mayBypassWriteBlocking", "readConcern",
    "rawData", "shardVersion", "startTransaction", "stmtId", "stmtIds", "txnNumber", "txnRetryCounter", "writeConcern",
})  # fmt: skip

_FIELDS: dict[str, str] = {
    "find": "filter sort projection hint skip limit batchSize singleBatch max min returnKey showRecordId tailable "
    "oplogReplay noCursorTimeout awaitData allowPartialResults collation allowDiskUse let readOnce term "
    "encryptionInformation querySettings",
    "aggregate": "pipeline explain allowDiskUse cursor bypassDocumentValidation collation hint let "
    "encryptionInformation querySettings",
    "count": "query limit skip hint collation fields encryptionInformation",
    "distinct": "key query collation hint querySettings",
    "insert": "documents ordered bypassDocumentValidation encryptionInformation",
    "insert.documents": "",
    "update": "updates ordered bypassDocumentValidation let encryptionInformation",
    "update.updates": "q u c upsert multi collation arrayFilters hint sort",
    "delete": "deletes ordered let encryptionInformation",
    "delete.deletes": "q limit collation hint",
    "findAndModify": "query sort remove update new fields upsert bypassDocumentValidation collation arrayFilters hint "
    "let encryptionInformation",
    "getMore": "collection batchSize term lastKnownCommittedOpTime",
    "killCursors": "cursors",
    "create": "capped timeseries expireAfterSeconds clusteredIndex changeStreamPreAndPostImages autoIndexId idIndex "
    "size max storageEngine validator validationLevel validationAction indexOptionDefaults viewOn pipeline collation "
    "encryptedFields temp flags",
    "createIndexes": "indexes commitQuorum ignoreUnknownIndexOptions",
    "dropIndexes": "index",
    "listIndexes": "cursor includeIndexBuildInfo",
    "listCollections": "filter nameOnly authorizedCollections cursor",
    "listDatabases": "filter nameOnly authorizedDatabases",
    "drop": "collectionUUID",
    "dropDatabase": "",
}
FIELDS: dict[str, frozenset[str]] = {
    command: _EVERYWHERE | {command} | set(names.split()) for command, names in _FIELDS.items()
}
"""The fields that a command, or an element of its statements, may have; for others anything goes."""

STAGES = frozenset({
    "$addFields", "$bucket", "$bucketAuto", "$changeStream", "$changeStreamSplitLargeEvent", "$collStats", "$count",
    "$currentOp", "$densify", "$documents", "$facet", "$fill", "$geoNear", "$graphLookup", "$group", "$indexStats",
    "$limit", "$listLocalSessions", "$listSampledQueries", "$listSearchIndexes", "$listSessions", "$lookup", "$match",
    "$merge", "$out", "$planCacheStats", "$project", "$querySettings", "$queryStats", "$rankFusion", "$redact",
    "$replaceRoot", "$replaceWith", "$sample", "$score", "$scoreFusion", "$search", "$searchMeta", "$set",
    "$setWindowFields", "$skip", "$sort", "$sortByCount", "$unionWith", "$unset", "$unwind", "$vectorSearch",
})  # fmt: skip

ACCUMULATORS = frozenset({
    "$accumulator", "$addToSet", "$avg", "$bottom", "$bottomN", "$concatArrays", "$count", "$first", "$firstN", "$last",
    "$lastN", "$max", "$maxN", "$median", "$mergeObjects", "$min", "$minN", "$percentile", "$push", "$setUnion",
    "$stdDevPop", "$stdDevSamp", "$sum", "$top", "$topN",
})  # fmt: skip

EXPRESSIONS = frozenset({
    "$abs", "$acos", "$acosh", "$add", "$allElementsTrue", "$and", "$anyElementTrue", "$arrayElemAt", "$arrayToObject",
    "$asin", "$asinh", "$atan", "$atan2", "$atanh", "$avg", "$binarySize", "$bitAnd", "$bitNot", "$bitOr", "$bitXor",
    "$bsonSize", "$ceil", "$cmp", "$concat", "$concatArrays", "$cond", "$const", "$convert", "$cos", "$cosh",
    "$dateAdd", "$dateDiff", "$dateFromParts", "$dateFromString", "$dateSubtract", "$dateToParts", "$dateToString",
    "$dateTrunc", "$dayOfMonth", "$dayOfWeek", "$dayOfYear", "$degreesToRadians", "$divide", "$eq", "$exp", "$filter",
    "$first", "$firstN", "$floor", "$function", "$getField", "$gt", "$gte", "$hour", "$ifNull", "$in", "$indexOfArray",
    "$indexOfBytes", "$indexOfCP", "$isArray", "$isNumber", "$isoDayOfWeek", "$isoWeek", "$isoWeekYear", "$last",
    "$lastN", "$let", "$literal", "$ln", "$log", "$log10", "$lt", "$lte", "$ltrim", "$map", "$max", "$maxN", "$median",
    "$mergeObjects", "$meta", "$millisecond", "$min", "$minN", "$minute", "$mod", "$month", "$multiply", "$ne", "$not",
    "$objectToArray", "$or", "$percentile", "$pow", "$radiansToDegrees", "$rand", "$range", "$reduce", "$regexFind",
    "$regexFindAll", "$regexMatch", "$replaceAll", "$replaceOne", "$reverseArray", "$round", "$rtrim", "$sampleRate",
    "$second", "$setDifference", "$setEquals", "$setField", "$setIntersection", "$setIsSubset", "$setUnion", "$sin",
    "$sinh", "$size", "$slice", "$sortArray", "$split", "$sqrt", "$stdDevPop", "$stdDevSamp", "$strLenBytes",
    "$strLenCP", "$strcasecmp", "$substr", "$substrBytes", "$substrCP", "$subtract", "$sum", "$switch", "$tan", "$tanh",
    "$toBool", "$toDate", "$toDecimal", "$toDouble", "$toInt", "$toHashedIndexKey", "$toLong", "$toLower",
    "$toObjectId", "$toString", "$toUUID", "$toUpper", "$trim", "$trunc", "$tsIncrement", "$tsSecond", "$type",
    "$unsetField", "$week", "$year", "$zip",
})  # fmt: skip

UPDATE_OPERATORS = frozenset({
    "$addToSet", "$bit", "$currentDate", "$inc", "$max", "$min", "$mul", "$pop", "$pull", "$pullAll", "$push",
    "$rename", "$set", "$setOnInsert", "$unset",
})  # fmt: skip
