from keystone.resource.backends import sql
class Resource(sql.Resource):
    pass
