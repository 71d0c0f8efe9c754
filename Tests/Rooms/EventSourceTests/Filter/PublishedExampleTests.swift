import Testing

@testable import EventSource

/// The examples that AWS documents: of EventBridge's event patterns, of Lambda's page about filters, and of the open
/// engine that both use. The event stands in the record's data.
@Suite("Documented examples of filters (ESM-F2, ESM-F6 to ESM-F16)") struct PublishedExampleTests {
    private static let event = """
        {
          "version": "0", "id": "ddddd4-aaaa-7777-4444-345dd43cc333",
          "detail-type": "EC2 Instance State-change Notification", "source": "aws.ec2", "account": "012345679012",
          "time": "2017-10-02T16:24:49Z", "region": "us-east-1",
          "resources": ["arn:aws:ec2:us-east-1:123456789012:instance/i-000000aaaaaa00000"],
          "detail": {
            "c-count": 5, "d-count": 3, "x-limit": 301.8, "source-ip": "10.0.0.33",
            "instance-id": "i-000000aaaaaa00000", "state": "running"
          }
        }
        """

    @Test(arguments: [
        #"{"detail-type":["EC2 Instance State-change Notification"],"resources":["arn:aws:ec2:us-east-1:123456789012:instance/i-000000aaaaaa00000"],"detail":{"state":["initializing","running"]}}"#,
        #"{"time":[{"prefix":"2017-10-02"}]}"#, #"{"source":[{"suffix":"ec2"}]}"#,
        #"{"source":[{"equals-ignore-case":"AWS.EC2"}]}"#, #"{"source":[{"wildcard":"aws*c2"}]}"#,
        #"{"detail":{"state":[{"anything-but":"initializing"}]}}"#, #"{"detail":{"x-limit":[{"anything-but":123}]}}"#,
        #"{"detail":{"state":[{"anything-but":["stopped","overloaded"]}]}}"#,
        #"{"detail":{"x-limit":[{"anything-but":[100,200,300]}]}}"#,
        #"{"detail":{"state":[{"anything-but":{"prefix":"init"}}]}}"#,
        #"{"detail":{"c-count":[{"numeric":[">",0,"<=",5]}],"d-count":[{"numeric":["<",10]}],"x-limit":[{"numeric":["=",3.018e2]}]}}"#,
        #"{"detail":{"source-ip":[{"cidr":"10.0.0.0/24"}]}}"#, #"{"detail":{"c-count":[{"exists":true}]}}"#,
        #"{"detail":{"e-count":[{"exists":false}]}}"#,
        #"{"time":[{"prefix":"2017-10-02"}],"detail":{"state":[{"anything-but":"initializing"}],"c-count":[{"numeric":[">",0,"<=",5]}],"d-count":[{"numeric":["<",10]}],"x-limit":[{"anything-but":[100,200,300]}],"source-ip":[{"cidr":"10.0.0.0/8"}]}}"#,
        #"{"source":["aws.ec2"],"$or":[{"metricName":["CPUUtilization","ReadLatency"]},{"region":["us-east-1"]}]}"#,
        #"{"$or":[{"region":["us-east-1"]},{"namespace":["AWS/EC2"]}],"detail":{"$or":[{"source":["x"]},{"state":["running"]}]}}"#,
    ]) func `patterns that match the documented event`(pattern: String) throws {
        #expect(try Filtered.keeps(data: pattern, Self.event))
    }

    @Test(arguments: [
        #"{"source":[{"suffix":"EC2"}]}"#, #"{"detail":{"state":[{"anything-but":"running"}]}}"#,
        #"{"detail":{"state":[{"anything-but":{"prefix":"run"}}]}}"#, #"{"detail":{"c-count":[{"numeric":[">",5]}]}}"#,
        #"{"detail":{"source-ip":[{"cidr":"10.0.1.0/24"}]}}"#, #"{"detail":{"c-count":[{"exists":false}]}}"#,
        #"{"detail":[{"exists":true}]}"#, #"{"detail":{"c-count":["5"]}}"#, #"{"Source":["aws.ec2"]}"#,
        #"{"source":["aws.ec2"],"$or":[{"metricName":["CPUUtilization"]},{"region":["us-west-1"]}]}"#,
    ]) func `patterns that do not match it`(pattern: String) throws {
        #expect(try !Filtered.keeps(data: pattern, Self.event))
    }

    @Test func `a leaf only exists: an object in its place does not`() throws {
        let event = #"{"detail":{"state":"running","c-count":{"c1":100}}}"#
        #expect(try Filtered.keeps(data: #"{"detail":{"c-count":[{"exists":false}]}}"#, event))
        #expect(try !Filtered.keeps(data: #"{"detail":{"c-count":[{"exists":true}]}}"#, event))
    }

    @Test func `fields of one list element belong together, as in the engine's example`() throws {
        let event = """
            {"employees": [{"firstName": "Anna", "lastName": "Smith", "ids": [{"kind": "a", "value": 1}]},
                           {"firstName": "Peter", "lastName": "Jones", "ids": [{"kind": "b", "value": 2}]}]}
            """
        #expect(try Filtered.keeps(data: #"{"employees":{"firstName":["Anna"],"lastName":["Smith"]}}"#, event))
        #expect(try !Filtered.keeps(data: #"{"employees":{"firstName":["Anna"],"lastName":["Jones"]}}"#, event))
        #expect(
            try Filtered.keeps(data: #"{"employees":{"firstName":["Peter"],"ids":{"kind":["b"],"value":[2]}}}"#, event))
        #expect(try !Filtered.keeps(data: #"{"employees":{"firstName":["Peter"],"ids":{"kind":["a"]}}}"#, event))
    }

    @Test(arguments: [
        (#"{"data":{"City":["Seattle"],"State":["WA"],"Temperature":[46],"Month":["December"]}}"#, true),
        (#"{"partitionKey":["1"],"data":{"Temperature":[{"numeric":["<",50]}]}}"#, true),
        (#"{"partitionKey":["2"],"data":{"Temperature":[{"numeric":["<",50]}]}}"#, false),
        (#"{"data":{"City":[{"anything-but":["Seattle"]}]}}"#, false),
        (#"{"data":{"Street":[{"exists":false}]}}"#, true),
        (#"{"data":{"$or":[{"City":["New York"]},{"Month":["December"]}]}}"#, true),
        (#"{"data":{"State":[null]}}"#, false),
    ]) func `patterns as on Lambda's page about stream records`(pattern: String, kept: Bool) throws {
        let data = #"{"City":"Seattle","State":"WA","Temperature":46,"Month":"December"}"#
        #expect(try Filtered.keeps([pattern], data, key: "1") == kept)
    }
}
