"""Clients of the emulator, and the values of a deployed stack."""

import boto3
from botocore.config import Config

REGION = "us-east-1"

# The emulator is on this machine: fail at once instead of hanging or repeating.
_CONFIG = Config(retries={"max_attempts": 1}, connect_timeout=5, read_timeout=60)


class Cloud:
    """Clients for one account, made when first used."""

    def __init__(self, endpoint, account):
        # A 12-digit access key is the account; the word `test` stands for the default one.
        self.endpoint = endpoint
        self.account = "000000000000" if account == "test" else account
        self.key = account
        self._clients = {}

    def __getattr__(self, service):
        name = service.rstrip("_").replace("_", "-")
        if name not in self._clients:
            self._clients[name] = boto3.client(
                name,
                endpoint_url=self.endpoint,
                region_name=REGION,
                aws_access_key_id=self.key,
                aws_secret_access_key="test",
                config=_CONFIG,
            )
        return self._clients[name]


class Attributes:
    """Fn::GetAtt for the few attributes that the template uses."""

    def __init__(self, cloud, ids, kinds):
        self.cloud = cloud
        self.ids = ids
        self.kinds = kinds
        self.known = {}

    def __call__(self, logical, attribute):
        key = (logical, attribute)
        if key not in self.known:
            self.known[key] = self._read(self.kinds[logical], attribute, self.ids[logical])
        return self.known[key]

    def _read(self, kind, attribute, name):
        cloud = self.cloud
        match kind, attribute:
            case "AWS::DynamoDB::Table", "Arn":
                return cloud.dynamodb.describe_table(TableName=name)["Table"]["TableArn"]
            case "AWS::DynamoDB::Table", "StreamArn":
                return cloud.dynamodb.describe_table(TableName=name)["Table"]["LatestStreamArn"]
            case "AWS::S3::Bucket", "Arn":
                return f"arn:aws:s3:::{name}"
            case "AWS::SQS::Queue", "Arn":
                return cloud.sqs.get_queue_attributes(QueueUrl=name, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
            case "AWS::SQS::Queue", "QueueName":
                return name.rsplit("/", 1)[-1]
            case "AWS::KMS::Key", "Arn":
                return cloud.kms.describe_key(KeyId=name)["KeyMetadata"]["Arn"]
            case "AWS::IAM::Role", "Arn":
                return cloud.iam.get_role(RoleName=name)["Role"]["Arn"]
            case "AWS::Logs::LogGroup", "Arn":
                return f"arn:aws:logs:{REGION}:{cloud.account}:log-group:{name}:*"
            case "AWS::Events::Rule", "Arn":
                buses = [bus["Name"] for bus in cloud.events.list_event_buses()["EventBuses"]]
                rules = [rule for bus in buses for rule in cloud.events.list_rules(EventBusName=bus)["Rules"]]
                return next(rule["Arn"] for rule in rules if rule["Name"] == name)
            case "AWS::Serverless::Function", "Arn":
                return f"arn:aws:lambda:{REGION}:{cloud.account}:function:{name}"
        raise ValueError(f"{kind} {attribute} is not known to the local deploy: teach infra/local/py/stack/cloud.py")
